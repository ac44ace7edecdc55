"""From a release and the facts of every host to a plan, and from the plan to a result."""
