"""What people type: each module is one command, thin over the ledger, the engine and the fleet."""
