//! What kinds of operations keep in memory, by its type: the engine does not know what it is.

use std::any::{Any, TypeId};
use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;

#[derive(Default)]
pub struct Kept(Mutex<HashMap<TypeId, Arc<dyn Any + Send + Sync>>>);

impl Kept {
    /// The one value of this type; made when it is asked for the first time.
    pub fn get<T: Any + Send + Sync + Default>(&self) -> Arc<T> {
        let mut kept = self.0.lock();
        let value = kept
            .entry(TypeId::of::<T>())
            .or_insert_with(|| Arc::new(T::default()))
            .clone();
        value.downcast().expect("values are kept by their type")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_has_one_value() {
        let kept = Kept::default();
        *kept.get::<Mutex<i32>>().lock() = 7;
        kept.get::<Mutex<String>>().lock().push('a');
        assert_eq!(*kept.get::<Mutex<i32>>().lock(), 7);
        assert_eq!(*kept.get::<Mutex<String>>().lock(), "a");
    }
}
