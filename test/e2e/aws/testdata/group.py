# Creates, describes, changes and deletes a replication group with boto3 as it is. The argument is the endpoint.
import sys
import time

import boto3
from botocore.exceptions import ClientError

ec = boto3.client("elasticache", endpoint_url=sys.argv[1])


def expect(code, call, **args):
    try:
        call(**args)
    except ClientError as e:
        assert e.response["Error"]["Code"] == code, e.response
        return e
    raise AssertionError("no error " + code)


def available(group):
    deadline = time.time() + 60
    while time.time() < deadline:
        g = ec.describe_replication_groups(ReplicationGroupId=group)["ReplicationGroups"][0]
        if g["Status"] == "available":
            return g
        time.sleep(0.1)
    raise AssertionError("not available: %s" % g)


print(boto3.client("sts", endpoint_url=sys.argv[1]).get_caller_identity()["Arn"])
expect("ReplicationGroupNotFoundFault", ec.describe_replication_groups, ReplicationGroupId="nobody")
g = ec.create_replication_group(
    ReplicationGroupId="Py", ReplicationGroupDescription="from boto3", Engine="valkey", CacheNodeType="cache.t3.micro",
    NumCacheClusters=2, AutomaticFailoverEnabled=True, Port=6400, Tags=[{"Key": "a", "Value": "b"}])["ReplicationGroup"]
assert g["Status"] == "creating" and g["ReplicationGroupId"] == "py", g
expect("ReplicationGroupAlreadyExists", ec.create_replication_group, ReplicationGroupId="py", ReplicationGroupDescription="again",
       CacheNodeType="cache.t3.micro")
g = available("py")
assert g["NodeGroups"][0]["PrimaryEndpoint"]["Port"] == 6400, g
c = ec.describe_cache_clusters(CacheClusterId=g["MemberClusters"][0], ShowCacheNodeInfo=True)["CacheClusters"][0]
assert c["CacheNodes"][0]["CacheNodeId"] == "0001" and c["CacheClusterStatus"] == "available", c
ec.modify_replication_group(ReplicationGroupId="py", ReplicationGroupDescription="new words", ApplyImmediately=True)
assert available("py")["Description"] == "new words"
assert any(p["ReplicationGroups"] for p in ec.get_paginator("describe_replication_groups").paginate(PaginationConfig={"PageSize": 20}))
expect("NotImplemented", ec.describe_users)
ec.delete_replication_group(ReplicationGroupId="py")
deadline = time.time() + 60
while time.time() < deadline:
    try:
        ec.describe_replication_groups(ReplicationGroupId="py")
    except ec.exceptions.ReplicationGroupNotFoundFault:
        print("done")
        break
    time.sleep(0.1)
