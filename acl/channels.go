package acl

// MayHear reports whether the user may be subscribed to a channel or, with pattern, to a pattern of channels, by any of the selectors. It
// is for who is subscribed already when rules change.
func (r *Rules) MayHear(channel []byte, pattern bool) bool {
	if r == nil {
		return false
	}
	for i := range r.selectors {
		if s := &r.selectors[i]; s.allChannels || s.channelAllowed(channel, pattern) {
			return true
		}
	}
	return false
}
