# fails: one's own promise
# mistake: a VM owes to itself
s/if (vm != request->vm \&\& held/if (held/
