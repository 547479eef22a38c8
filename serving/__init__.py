"""Ground floor: what applications and operators touch: model store, contract, client, server, rollout."""
