"""etcd, as far as memberships need it: version 3, through its JSON gateway."""
