# fails: location sensitive
# mistake: R behind the instruction is compared, too
s/one.p != two.p || one.supervisor/one.p != two.p || one.r != two.r || one.supervisor/
