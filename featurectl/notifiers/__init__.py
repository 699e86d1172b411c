"""Ways to send messages: Slack, PagerDuty, a webhook, e-mail, a command."""
