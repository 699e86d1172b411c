"""Offline to online."""

from featurectl.push.run import PushPlan, PushRequest, PushResult, plan_push, push_view
from featurectl.push.values import read_offline, values_at

__all__ = ["PushPlan", "PushRequest", "PushResult", "plan_push", "push_view", "read_offline", "values_at"]
