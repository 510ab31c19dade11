"""Commands of a running tracker."""
