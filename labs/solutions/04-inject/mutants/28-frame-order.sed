# fails: an exception in ring 3: the stack switch
# mistake: SS is pushed twice, and ESP never
/if (inward) {/,/}/s/gpr\[ESP\]/segment[SS]/
