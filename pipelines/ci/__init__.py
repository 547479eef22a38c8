"""What a commit sets off: the steps of Cloud Build, checked, translated and run on any machine."""
