//! Addresses of coordination stores.

use std::path::PathBuf;

use super::{path, Error, Result};

/// Where the store is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    Directory(PathBuf),
    ZooKeeper(ZooKeeperAddress),
}

/// `zookeeper://[user:password@]host:port,host:port[/path]`
#[derive(Clone, PartialEq, Eq)]
pub struct ZooKeeperAddress {
    /// `host:port` of each server, separated by commas.
    pub servers: String,
    /// All entries are below this one; `None` is the root.
    pub chroot: Option<String>,
    /// `user:password` for digest authentication.
    pub credentials: Option<String>,
}

const DEFAULT_PORT: u16 = 2181;

impl Address {
    /// # Errors
    /// [`Error::InvalidAddress`], without the password.
    pub fn parse(url: &str) -> Result<Self> {
        let refuse = |reason: &str| Error::InvalidAddress {
            address: without_password(url),
            reason: reason.to_owned(),
        };
        let Some((scheme, rest)) = url.split_once("://") else {
            return Err(refuse("it has no scheme"));
        };
        match scheme {
            "dir" if rest.starts_with('/') && !rest.contains('\0') => {
                Ok(Self::Directory(PathBuf::from(rest)))
            }
            "dir" => Err(refuse("the path is not absolute")),
            "zookeeper" => parse_zookeeper(rest)
                .map(Self::ZooKeeper)
                .map_err(|reason| refuse(&reason)),
            _ => Err(refuse("the scheme is neither dir nor zookeeper")),
        }
    }
}

fn parse_zookeeper(rest: &str) -> std::result::Result<ZooKeeperAddress, String> {
    // The password may contain anything, a slash and an at sign too: the last at sign ends it.
    let (credentials, rest) = match rest.rsplit_once('@') {
        Some((credentials, rest)) => (Some(credentials), rest),
        None => (None, rest),
    };
    if credentials.is_some_and(|text| !text.contains(':') || text.starts_with(':')) {
        return Err("the credentials are not user:password".to_owned());
    }
    let (servers, chroot) = match rest.split_once('/') {
        Some((servers, chroot)) => (servers, chroot.trim_end_matches('/')),
        None => (rest, ""),
    };
    let chroot = match chroot {
        "" => None,
        chroot => Some(format!("/{chroot}")),
    };
    if let Some(chroot) = &chroot {
        path::check(chroot).map_err(|error| error.to_string())?;
    }
    let servers = servers
        .split(',')
        .map(parse_server)
        .collect::<std::result::Result<Vec<_>, _>>()?;
    Ok(ZooKeeperAddress {
        servers: servers.join(","),
        chroot,
        credentials: credentials.map(str::to_owned),
    })
}

fn parse_server(server: &str) -> std::result::Result<String, String> {
    let (host, port) = match server.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, Some(port)),
        _ => (server, None),
    };
    let bare = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'))
        .unwrap_or(host);
    if bare.is_empty()
        || !bare
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || ".-_:".contains(c))
    {
        return Err(format!("\"{server}\" is not a server"));
    }
    if bare.contains(':') && bare.len() == host.len() {
        return Err(format!(
            "the IPv6 address in \"{server}\" is not in brackets"
        ));
    }
    let port = match port {
        None => DEFAULT_PORT,
        Some(port) => match port.parse::<u16>() {
            Ok(port) if port > 0 => port,
            _ => return Err(format!("\"{port}\" is not a port")),
        },
    };
    Ok(format!("{host}:{port}"))
}

/// The URL of a store as it may be shown and logged.
pub fn without_password(url: &str) -> String {
    match (url.split_once("://"), url.rsplit_once('@')) {
        (Some((scheme, _)), Some((_, rest))) => format!("{scheme}://***@{rest}"),
        _ => url.to_owned(),
    }
}

impl std::fmt::Debug for ZooKeeperAddress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ZooKeeperAddress")
            .field("servers", &self.servers)
            .field("chroot", &self.chroot)
            .field("credentials", &self.credentials.as_ref().map(|_| "***"))
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn zookeeper(url: &str) -> ZooKeeperAddress {
        match Address::parse(url) {
            Ok(Address::ZooKeeper(address)) => address,
            other => panic!("{url}: {other:?}"),
        }
    }

    #[test]
    fn addresses() {
        assert_eq!(
            Address::parse("dir:///var/lib/x").unwrap(),
            Address::Directory("/var/lib/x".into())
        );
        let address = zookeeper("zookeeper://a:1,b,[::1]:3/x/y/");
        assert_eq!(address.servers, "a:1,b:2181,[::1]:3");
        assert_eq!(address.chroot.as_deref(), Some("/x/y"));
        assert_eq!(zookeeper("zookeeper://a").chroot, None);
        let address = zookeeper("zookeeper://me:p@ss/w:rd@a:1/x");
        assert_eq!(address.credentials.as_deref(), Some("me:p@ss/w:rd"));
    }

    #[test]
    fn refusals_do_not_show_the_password() {
        for url in [
            "",
            "a:1",
            "dir://relative",
            "dir:/x",
            "etcd://a:1",
            "zookeeper://",
            "zookeeper://a:0",
            "zookeeper://a:99999",
            "zookeeper://a:1,,b:1",
            "zookeeper://a:1/x//y",
            "zookeeper://::1:3",
            "zookeeper://user@a:1",
            "zookeeper://a b:1",
        ] {
            assert!(
                matches!(Address::parse(url), Err(Error::InvalidAddress { .. })),
                "{url}"
            );
        }
        let error = Address::parse("zookeeper://me:secret@a:0/x").unwrap_err();
        assert!(!error.to_string().contains("secret"), "{error}");
        assert!(!format!("{:?}", zookeeper("zookeeper://me:secret@a/x")).contains("secret"));
    }
}
