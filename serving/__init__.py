"""Ground floor: what applications and operators touch: store, contract, client, server."""
