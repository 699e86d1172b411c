"""What commands have in common: their options, how a workspace is opened, progress, outcomes."""
