"""Offline to online."""

from featurectl.operations.push.run import PushPlan, PushRequest, PushResult, plan_push, push_view
from featurectl.operations.push.values import read_offline, values_at

__all__ = ["PushPlan", "PushRequest", "PushResult", "plan_push", "push_view", "read_offline", "values_at"]
