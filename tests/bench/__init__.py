"""How long what people type takes. Never a test: a machine that is busy is not a defect."""
