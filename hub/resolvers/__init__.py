"""The callers' doors: about ten lines each, no rule, one file per room."""
