"""What is rendered for Prometheus and Grafana; `.ci/prometheus` holds the golden files to promtool."""
