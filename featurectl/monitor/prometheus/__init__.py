"""What Prometheus can know: metrics of status, alert rules, a dashboard."""
