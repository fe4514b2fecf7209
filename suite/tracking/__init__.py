"""What a run writes about itself while it trains: record, progress, checkpoints, policy, videos."""
