"""What is rendered for Prometheus and Grafana; `make guests` holds the golden files to promtool."""
