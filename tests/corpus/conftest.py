"""Below stand repositories, broken on purpose: tests/spec/test_corpus.py runs them, pytest collects nothing."""

collect_ignore_glob = ["*"]
