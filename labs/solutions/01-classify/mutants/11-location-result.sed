# fails: location sensitive
# mistake: what a different R leaves in E is forgotten
s/one.e != two.e || one.p/one.p/
