"""Third floor: what runs, where and when: definitions, compile, local run, command line."""
