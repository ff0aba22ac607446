package api

import (
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// debian is a program as the tests' installer provides it: on Debian the distribution's own, as others of the same name
// in PATH may be shims.
func debian(t *testing.T, name string) string {
	t.Helper()
	if _, err := os.Stat("/etc/debian_version"); err == nil {
		name = "/usr/bin/" + name
	}
	path, err := exec.LookPath(name)
	if err != nil {
		t.Fatalf("%v (scripts/install-test-deps installs it)", err)
	}
	return path
}

// run runs a program with larder's credentials and returns its output, or what it said of its failure.
func (b *bed) run(program string, args ...string) (stdout, stderr string, ok bool) {
	b.t.Helper()
	cmd := exec.CommandContext(b.t.Context(), program, args...)
	home := b.t.TempDir()
	cmd.Env = []string{"PATH=/usr/bin:/bin", "HOME=" + home, "AWS_ACCESS_KEY_ID=" + testKey, "AWS_SECRET_ACCESS_KEY=" + testSecret,
		"AWS_DEFAULT_REGION=" + testRegion, "AWS_REGION=" + testRegion, "AWS_MAX_ATTEMPTS=1", "AWS_PAGER=", "AWS_EC2_METADATA_DISABLED=true",
		"ENDPOINT=" + b.server.URL}
	out, err := cmd.Output()
	var failed *exec.ExitError
	if err != nil && !errors.As(err, &failed) {
		b.t.Fatal(err)
	}
	if failed != nil {
		return string(out), string(failed.Stderr), false
	}
	return string(out), "", true
}

func TestAWSCLI(t *testing.T) {
	b := newBed(t)
	program := debian(t, "aws")
	cli := func(args ...string) (string, string, bool) {
		return b.run(program, append([]string{"--endpoint-url", b.server.URL, "--output", "json"}, args...)...)
	}
	out, stderr, ok := cli("elasticache", "create-replication-group", "--replication-group-id", "web", "--replication-group-description", "the web's",
		"--engine", "redis", "--cache-node-type", "cache.t3.micro", "--num-cache-clusters", "2", "--automatic-failover-enabled",
		"--tags", "Key=a,Value=1", "Key=b,Value=2", "--preferred-cache-cluster-a-zs", testRegion+"a", testRegion+"b")
	if !ok || !strings.Contains(out, `"Status": "creating"`) {
		t.Fatalf("%s%s", out, stderr)
	}
	b.converge()
	if _, stderr, ok := cli("elasticache", "wait", "replication-group-available", "--replication-group-id", "web"); !ok {
		t.Fatal(stderr)
	}
	out, stderr, ok = cli("elasticache", "describe-cache-clusters", "--show-cache-node-info")
	var clusters struct {
		CacheClusters []struct {
			CacheClusterStatus string
			CacheNodes         []struct{ Endpoint struct{ Port int } }
		}
	}
	if err := json.Unmarshal([]byte(out), &clusters); !ok || err != nil || len(clusters.CacheClusters) != 2 ||
		clusters.CacheClusters[1].CacheClusterStatus != "available" || clusters.CacheClusters[1].CacheNodes[0].Endpoint.Port != 6379 {
		t.Errorf("%v %s%s", err, out, stderr)
	}
	if _, stderr, _ := cli("iam", "list-users"); !strings.Contains(stderr, "(NotImplemented)") || !strings.Contains(stderr, "iam") {
		t.Error(stderr)
	}
	if _, stderr, _ := cli("dax", "describe-clusters"); !strings.Contains(stderr, "NotImplemented") {
		t.Error(stderr)
	}
}

func TestBoto3(t *testing.T) {
	b := newBed(t)
	b.createGroup("web", 3)
	const script = `
import os, boto3
from botocore.exceptions import ClientError
c = boto3.client("elasticache", endpoint_url=os.environ["ENDPOINT"])
g = c.describe_replication_groups(ReplicationGroupId="web")["ReplicationGroups"][0]
assert g["Status"] == "available", g
assert [m["CurrentRole"] for m in g["NodeGroups"][0]["NodeGroupMembers"]] == ["primary", "replica", "replica"], g
c.add_tags_to_resource(ResourceName=g["ARN"], Tags=[{"Key": "k", "Value": "ä & <b>"}])
assert c.list_tags_for_resource(ResourceName=g["ARN"])["TagList"] == [{"Key": "k", "Value": "ä & <b>"}]
r = c.decrease_replica_count(ReplicationGroupId="web", NewReplicaCount=1, ApplyImmediately=True)
assert r["ReplicationGroup"]["Status"] == "modifying"
assert len(r["ResponseMetadata"]["RequestId"]) == 36
try:
    c.describe_cache_clusters(CacheClusterId="nobody")
    raise SystemExit("no error")
except c.exceptions.CacheClusterNotFoundFault as e:
    assert e.response["ResponseMetadata"]["HTTPStatusCode"] == 404
versions = [v["EngineVersion"] for p in c.get_paginator("describe_cache_engine_versions").paginate(Engine="redis") for v in p["CacheEngineVersions"]]
assert "7.1" in versions, versions
print("fine")
`
	if out, stderr, ok := b.run(debian(t, "python3"), "-c", script); !ok || strings.TrimSpace(out) != "fine" {
		t.Errorf("%s%s", out, stderr)
	}
}
