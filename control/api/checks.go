package api

import (
	"fmt"
	"hash/fnv"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/service/elasticache/types"

	"github.com/larder-cache/larder/base/limits"
	"github.com/larder-cache/larder/control/api/wiretable"
	"github.com/larder-cache/larder/control/model"
	"github.com/larder-cache/larder/wire/awsquery"
)

const (
	// maxNodesPerRegion is AWS' default quota of nodes in a region. Source: ElastiCache endpoints and quotas.
	maxNodesPerRegion = 300
	// maxDescriptionRunes: ModifyReplicationGroup says 255.
	maxDescriptionRunes = 255
	defaultPort         = 6379
	minutesPerWeek      = 7 * 24 * 60
	minutesPerDay       = 24 * 60
	minWindowMinutes    = 60
)

func invalidValue(format string, args ...any) *awsquery.Error {
	return wiretable.InvalidParameterValueException(format, args...)
}

func invalidCombination(format string, args ...any) *awsquery.Error {
	return wiretable.InvalidParameterCombinationException(format, args...)
}

// value is what p points to, or its zero value.
func value[T any](p *T) T {
	if p == nil {
		var zero T
		return zero
	}
	return *p
}

var (
	identifier = regexp.MustCompile(`^[A-Za-z](?:-?[A-Za-z0-9])*$`)
	window     = regexp.MustCompile(`^(sun|mon|tue|wed|thu|fri|sat):([01][0-9]|2[0-3]):([0-5][0-9])-(sun|mon|tue|wed|thu|fri|sat):([01][0-9]|2[0-3]):([0-5][0-9])$`)
	dayWindow  = regexp.MustCompile(`^([01][0-9]|2[0-3]):([0-5][0-9])-([01][0-9]|2[0-3]):([0-5][0-9])$`)
	weekdays   = []string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"}
)

// checkID returns an identifier in lower case, as AWS stores it.
func checkID(parameter, words, id string, maxRunes int) (string, error) {
	switch {
	case !identifier.MatchString(id):
		return "", invalidValue("The parameter %s is not a valid identifier. Identifiers must begin with a letter; must contain only ASCII "+
			"letters, digits, and hyphens; and must not end with a hyphen or contain two consecutive hyphens.", parameter)
	case len(id) > maxRunes:
		return "", invalidValue("%s cannot be longer than %d characters.", words, maxRunes)
	}
	return strings.ToLower(id), nil
}

// lookupID is an identifier of a request that only looks something up: in lower case, whatever it is.
func lookupID(id *string) string { return strings.ToLower(value(id)) }

func checkDescription(text string) error {
	if n := utf8.RuneCountInString(text); n > maxDescriptionRunes {
		return invalidValue("The parameter ReplicationGroupDescription must be at most %d characters long; it has %d.", maxDescriptionRunes, n)
	}
	return nil
}

func checkPort(port *int32) (uint16, error) {
	switch {
	case port == nil:
		return defaultPort, nil
	case *port < 1 || *port > 65535:
		return 0, invalidValue("The port %d is not valid: it must be between 1 and 65535.", *port)
	}
	return uint16(*port), nil
}

// checkZones refuses zones that larder has no hosts in.
func (c *call) checkZones(zones []string) error {
	for _, z := range zones {
		if !slices.Contains(c.config.Zones, z) {
			return invalidValue("%s is not a valid availability zone. The zones are: %s.", clip(z), strings.Join(c.config.Zones, ", "))
		}
	}
	return nil
}

// engineChoice is what a request says about what is to run.
type engineChoice struct {
	engine, version, parameterGroup, nodeType *string
}

// engineOf is the engine, version and parameter group of a request. The order of the checks is AWS'.
func engineOf(in engineChoice) (model.EngineVersion, string, error) {
	engine := strings.ToLower(value(in.engine))
	switch engine {
	case "":
		engine = model.EngineRedis
	case model.EngineRedis, model.EngineValkey:
	case model.EngineMemcached:
		return model.EngineVersion{}, "", invalidValue("The engine memcached is not supported by this version of larder, which has redis and valkey.")
	default:
		return model.EngineVersion{}, "", invalidValue("Invalid engine: %s. Valid engines are redis and valkey.", clip(engine))
	}
	version, err := engineVersion(engine, value(in.version))
	if err != nil {
		return model.EngineVersion{}, "", err
	}
	name, err := parameterGroupOf(version, value(in.parameterGroup))
	if err != nil {
		return model.EngineVersion{}, "", err
	}
	return version, name, checkNodeType(engine, value(in.nodeType))
}

var fullVersion = regexp.MustCompile(`^([0-9]+)\.([0-9]+)\.[0-9]+$`)

// engineVersion finds a version. From Redis 6 on AWS lets nobody choose a patch.
func engineVersion(engine, version string) (model.EngineVersion, error) {
	if m := fullVersion.FindStringSubmatch(version); m != nil {
		if major, err := strconv.Atoi(m[1]); err != nil || major >= 6 {
			return model.EngineVersion{}, invalidValue("Specific version selection is not allowed for '%s', please use '%s.%s'", clip(version), clip(m[1]), clip(m[2]))
		}
	}
	v, ok := model.LookupEngineVersion(engine, version)
	if !ok {
		return v, invalidCombination("Cannot find version %s for %s", clip(version), engine)
	}
	return v, nil
}

// parameterGroupOf accepts the default parameter group of the version's family: others cannot be made yet.
func parameterGroupOf(v model.EngineVersion, name string) (string, error) {
	name = strings.ToLower(name)
	family, isDefault := strings.CutPrefix(name, "default.")
	plain, clusterOn := strings.CutSuffix(family, ".cluster.on")
	_, known := model.ParameterGroupFamily(plain)
	switch {
	case name == "" || name == v.DefaultParameterGroup():
		return v.DefaultParameterGroup(), nil
	case isDefault && known && plain != v.Family:
		return "", invalidCombination("Expected a parameter group of family %s but found one of family %s", v.Family, plain)
	case isDefault && known && clusterOn:
		return "", invalidValue("The parameter group %s is not supported by this version of larder: it has no cluster mode.", clip(name))
	}
	return "", wiretable.CacheParameterGroupNotFoundFault("CacheParameterGroup %s not found.", clip(name))
}

func checkNodeType(engine, name string) error {
	t, ok := model.LookupNodeType(name)
	switch {
	case name == "":
		return awsquery.MustNotBeNull("CacheNodeType")
	case !ok:
		return invalidValue("Invalid Cache Node Type: %s.", clip(name))
	case t.ValkeyOnly && engine != model.EngineValkey:
		return invalidCombination("The cache node type %s is available for the engine valkey only.", name)
	case strings.HasPrefix(name, "cache.r6gd."):
		return invalidValue("The cache node type %s needs data tiering, which is not supported by this version of larder.", name)
	}
	return nil
}

// windows are the maintenance and snapshot window of a request; nil keeps the old one, and where there is none either,
// one is chosen by the id, so that it is stable and not the same for all.
func windows(id string, maintenance, snapshot *string, oldMaintenance, oldSnapshot string) (string, string, error) {
	m, s := oldMaintenance, oldSnapshot
	if maintenance != nil {
		m = strings.ToLower(*maintenance)
	}
	if snapshot != nil {
		s = *snapshot
	}
	if m != "" && s != "" {
		return m, s, checkWindows(m, s)
	}
	h := fnv.New32a()
	_, _ = h.Write([]byte(id)) // never fails
	var err error
	for try := range 24 {
		hour, tryM, tryS := (int(h.Sum32()%24)+try)%24, m, s
		if m == "" {
			day := int(h.Sum32() / 24 % 7)
			tryM = fmt.Sprintf("%s:%02d:00-%s:%02d:00", weekdays[day], hour, weekdays[(day+(hour+1)/24)%7], (hour+1)%24)
		}
		if s == "" {
			tryS = fmt.Sprintf("%02d:30-%02d:30", (hour+2)%24, (hour+3)%24)
		}
		if err = checkWindows(tryM, tryS); err == nil {
			return tryM, tryS, nil
		}
	}
	return "", "", err
}

func checkWindows(maintenance, snapshot string) error {
	m := window.FindStringSubmatch(maintenance)
	if m == nil {
		return invalidValue("The parameter PreferredMaintenanceWindow must have the form ddd:hh24:mi-ddd:hh24:mi; it is %s.", clip(maintenance))
	}
	s := dayWindow.FindStringSubmatch(snapshot)
	if s == nil {
		return invalidValue("The parameter SnapshotWindow must have the form hh24:mi-hh24:mi; it is %s.", clip(snapshot))
	}
	start := slices.Index(weekdays, m[1])*minutesPerDay + minuteOfDay(m[2], m[3])
	length := (slices.Index(weekdays, m[4])*minutesPerDay + minuteOfDay(m[5], m[6]) - start + minutesPerWeek) % minutesPerWeek
	daily := minuteOfDay(s[1], s[2])
	dailyLength := (minuteOfDay(s[3], s[4]) - daily + minutesPerDay) % minutesPerDay
	switch {
	case length < minWindowMinutes:
		return invalidValue("The maintenance window must be at least %d minutes.", minWindowMinutes)
	case dailyLength < minWindowMinutes:
		return invalidValue("The snapshot window must be at least %d minutes.", minWindowMinutes)
	case overlap(start, length, daily, dailyLength):
		return invalidCombination("The snapshot window and maintenance window must not overlap.")
	}
	return nil
}

// overlap compares a weekly window with a daily one; all in minutes, start from the week's beginning, daily from the
// day's.
func overlap(start, length, daily, dailyLength int) bool {
	for day := range 8 { // the eighth is the first of the next week, for a window that goes over its end
		at := day*minutesPerDay + daily
		for _, begin := range []int{start, start + minutesPerWeek} {
			if at < begin+length && begin < at+dailyLength {
				return true
			}
		}
	}
	return false
}

// minuteOfDay takes digits that a pattern has matched.
func minuteOfDay(hour, minute string) int {
	h, _ := strconv.Atoi(hour)
	m, _ := strconv.Atoi(minute)
	return h*60 + m
}

// checkTags returns the tags of a request; a key that comes twice is refused.
func checkTags(list []types.Tag) (map[string]string, error) {
	tags := make(map[string]string, len(list))
	for _, t := range list {
		key, text := value(t.Key), value(t.Value)
		_, twice := tags[key]
		switch n := utf8.RuneCountInString(key); {
		case n == 0:
			return nil, awsquery.MustNotBeBlank("Tag.Key")
		case n > limits.MaxTagKeyRunes:
			return nil, invalidValue("The tag key must be at most %d characters long; it has %d.", limits.MaxTagKeyRunes, n)
		case utf8.RuneCountInString(text) > limits.MaxTagValueRunes:
			return nil, invalidValue("The value of the tag %s must be at most %d characters long.", clip(key), limits.MaxTagValueRunes)
		case strings.HasPrefix(strings.ToLower(key), "aws:"):
			return nil, invalidValue("The tag key %s is reserved: it begins with aws:.", clip(key))
		case twice:
			return nil, invalidValue("The tag key %s is given more than once.", clip(key))
		}
		tags[key] = text
	}
	return tags, checkTagCount(tags)
}

func checkTagCount(tags map[string]string) error {
	if len(tags) > limits.MaxTagsPerResource {
		return wiretable.TagQuotaPerResourceExceeded("A resource can have at most %d tags.", limits.MaxTagsPerResource)
	}
	return nil
}

// checkQuota refuses more nodes than a region may have.
func (c *call) checkQuota(f *fleet, more int) error {
	if f.nodes()+more > maxNodesPerRegion {
		return wiretable.NodeQuotaForCustomerExceededFault("The request would exceed the quota of %d nodes in a region; there are %d.",
			maxNodesPerRegion, f.nodes())
	}
	return nil
}
