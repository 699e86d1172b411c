"""Ways to tell somebody: Slack, PagerDuty, a webhook, e-mail, a command."""
