# fails: location sensitive
# mistake: location sensitive is asked of supervisor states only
/^static bool location_sensitive/,/^}/s/if (depends/if (s.supervisor \&\& depends/
