"""Offline to online."""

from featurectl.push.run import PushRequest, PushResult, push_view
from featurectl.push.values import read_offline, values_at

__all__ = ["PushRequest", "PushResult", "push_view", "read_offline", "values_at"]
