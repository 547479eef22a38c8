"""`lockstep can-i-deploy`: a version held against what an environment has and who calls there."""
