# fails: impossible grants
# mistake: a grant to a VM that is not there is in the way
s/grant->vm >= plan->vms || //
