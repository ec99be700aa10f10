# fails: a refusal in the middle of a batch
# mistake: one error of several
s/    if (error)$/    if (error == VMM_HC_E_TYPE)/
