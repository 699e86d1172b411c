"""Below stand repositories, broken on purpose: tests/language/test_corpus.py runs them, pytest collects nothing."""

collect_ignore_glob = ["*"]
