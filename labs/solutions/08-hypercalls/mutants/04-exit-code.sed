# fails: the console
# mistake: the exit code is lost
s/VMM_HC_SHUTDOWN, code,/VMM_HC_SHUTDOWN, 0 * code,/
