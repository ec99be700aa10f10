# fails: a promise that was kept already
# mistake: what a VM has beyond its promise is credit for another
s/if (vm != request->vm \&\& held\[vm\] < plan->promised\[vm\])/if (vm != request->vm)/
