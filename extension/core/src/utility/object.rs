//! Kinds of objects that statements are about.

macro_rules! objects {
    ($($name:ident = $constant:literal, $home:ident;)*) => {
        /// A kind of object: PostgreSQL's `ObjectType`.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Object {
            $($name,)*
            /// Of statements that are about one kind only, or about none.
            Unnamed,
        }

        impl Object {
            pub const ALL: &'static [Object] = &[$(Object::$name,)* Object::Unnamed];

            /// The name of PostgreSQL's constant; `None` for [`Object::Unnamed`], which has none.
            pub fn constant(self) -> Option<&'static str> {
                match self {
                    $(Object::$name => Some(concat!("OBJECT_", $constant)),)*
                    Object::Unnamed => None,
                }
            }

            /// Which nodes have objects of this kind, tables and their parts aside.
            pub fn home(self) -> Home {
                match self {
                    $(Object::$name => Home::$home,)*
                    Object::Unnamed => Home::Depends,
                }
            }
        }
    };
}

/// Which nodes have an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Home {
    /// Any node takes any statement, so every node has it.
    AllNodes,
    /// Every node, if it needs nothing of one node alone.
    Depends,
    /// The node where it was made.
    OneNode,
}

objects! {
    AccessMethod = "ACCESS_METHOD", OneNode;
    Aggregate = "AGGREGATE", Depends;
    OperatorOfFamily = "AMOP", OneNode;
    FunctionOfFamily = "AMPROC", OneNode;
    Attribute = "ATTRIBUTE", AllNodes;
    Cast = "CAST", AllNodes;
    Column = "COLUMN", Depends;
    Collation = "COLLATION", AllNodes;
    Conversion = "CONVERSION", AllNodes;
    Database = "DATABASE", OneNode;
    Default = "DEFAULT", OneNode;
    DefaultPrivileges = "DEFACL", OneNode;
    Domain = "DOMAIN", AllNodes;
    DomainConstraint = "DOMCONSTRAINT", AllNodes;
    EventTrigger = "EVENT_TRIGGER", OneNode;
    Extension = "EXTENSION", AllNodes;
    ForeignDataWrapper = "FDW", OneNode;
    ForeignServer = "FOREIGN_SERVER", OneNode;
    ForeignTable = "FOREIGN_TABLE", Depends;
    Function = "FUNCTION", Depends;
    Index = "INDEX", Depends;
    Language = "LANGUAGE", OneNode;
    LargeObject = "LARGEOBJECT", OneNode;
    MaterializedView = "MATVIEW", Depends;
    OperatorClass = "OPCLASS", AllNodes;
    Operator = "OPERATOR", AllNodes;
    OperatorFamily = "OPFAMILY", AllNodes;
    Parameter = "PARAMETER_ACL", OneNode;
    Policy = "POLICY", Depends;
    Procedure = "PROCEDURE", Depends;
    Publication = "PUBLICATION", OneNode;
    PublicationSchema = "PUBLICATION_NAMESPACE", OneNode;
    PublicationTable = "PUBLICATION_REL", OneNode;
    Role = "ROLE", AllNodes;
    Routine = "ROUTINE", Depends;
    Rule = "RULE", Depends;
    Schema = "SCHEMA", AllNodes;
    Sequence = "SEQUENCE", Depends;
    Subscription = "SUBSCRIPTION", OneNode;
    Statistics = "STATISTIC_EXT", OneNode;
    TableConstraint = "TABCONSTRAINT", Depends;
    Table = "TABLE", Depends;
    Tablespace = "TABLESPACE", Depends;
    Transform = "TRANSFORM", OneNode;
    Trigger = "TRIGGER", Depends;
    TextSearchConfiguration = "TSCONFIGURATION", AllNodes;
    TextSearchDictionary = "TSDICTIONARY", AllNodes;
    TextSearchParser = "TSPARSER", AllNodes;
    TextSearchTemplate = "TSTEMPLATE", AllNodes;
    Type = "TYPE", AllNodes;
    UserMapping = "USER_MAPPING", OneNode;
    View = "VIEW", Depends;
}
