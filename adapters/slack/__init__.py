"""Slack: the real slack_bolt in Socket Mode, or over signed HTTP."""
