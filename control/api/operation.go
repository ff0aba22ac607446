package api

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/larder-cache/larder/wire/awsquery"
	"github.com/larder-cache/larder/wire/sigv4"
)

// Operation is the declaration of an operation that is built.
type Operation struct {
	// Service is the name in a credential scope, Name the operation's.
	Service, Name string
	// Action is the IAM action that a caller needs, on a resource of one of the kinds in Resources (AWS' words for them
	// in an ARN; "*": on none in particular). Source: the Service Authorization Reference. The only caller that this
	// version knows is the account's root, who may do everything.
	Action    string
	Resources []string
	// Members is the fate of every input member.
	Members []Member
	// Differs says, a sentence each, where larder knowingly differs from AWS.
	Differs []string

	run runFunc
	in  any // a nil pointer to the input's type, for the tests
}

// runFunc runs an operation on its decoded and checked input.
type runFunc func(ctx context.Context, c *call, in any) (any, error)

func (o Operation) key() string { return o.Service + ":" + o.Name }

// call is one request while it is worked on.
type call struct {
	*endpoint
	requestID string
	now       time.Time // when the request was taken up, UTC
	who       sigv4.Identity
}

// handle gives the declaration its handler.
func handle[In, Out any](o Operation, f func(context.Context, *call, *In) (*Out, error)) Operation {
	o.in = (*In)(nil)
	o.run = func(ctx context.Context, c *call, in any) (any, error) {
		typed, ok := in.(*In)
		if !ok {
			return nil, fmt.Errorf("api: %s got an input of type %T", o.Name, in)
		}
		out, err := f(ctx, c, typed)
		if err != nil {
			return nil, err // not a typed nil beside it
		}
		return out, nil
	}
	return o
}

// Operations returns everything that is built, by service and name.
func Operations() []Operation {
	all := slices.Concat(groupOperations(), replicaOperations(), clusterOperations(), eventOperations(),
		versionOperations(), tagOperations(), stsOperations())
	slices.SortFunc(all, func(a, b Operation) int { return strings.Compare(a.key(), b.key()) })
	return all
}

// NotBuilt returns the operations of each service that answer NotImplemented. Together with Operations they are all of
// the service's; a test says so.
func NotBuilt() map[string][]string {
	return map[string][]string{
		"elasticache": strings.Fields(`
			AuthorizeCacheSecurityGroupIngress BatchApplyUpdateAction BatchStopUpdateAction CompleteMigration
			CopyServerlessCacheSnapshot CopySnapshot CreateCacheParameterGroup CreateCacheSecurityGroup CreateCacheSubnetGroup
			CreateGlobalReplicationGroup CreateServerlessCache CreateServerlessCacheSnapshot CreateSnapshot CreateUser
			CreateUserGroup DecreaseNodeGroupsInGlobalReplicationGroup DeleteCacheParameterGroup DeleteCacheSecurityGroup
			DeleteCacheSubnetGroup DeleteGlobalReplicationGroup DeleteServerlessCache DeleteServerlessCacheSnapshot
			DeleteSnapshot DeleteUser DeleteUserGroup DescribeCacheParameterGroups DescribeCacheParameters
			DescribeCacheSecurityGroups DescribeCacheSubnetGroups DescribeEngineDefaultParameters
			DescribeGlobalReplicationGroups DescribeReservedCacheNodes DescribeReservedCacheNodesOfferings
			DescribeServerlessCacheSnapshots DescribeServerlessCaches DescribeServiceUpdates DescribeSnapshots
			DescribeUpdateActions DescribeUserGroups DescribeUsers DisassociateGlobalReplicationGroup
			ExportServerlessCacheSnapshot FailoverGlobalReplicationGroup IncreaseNodeGroupsInGlobalReplicationGroup
			ListAllowedNodeTypeModifications ModifyCacheCluster ModifyCacheParameterGroup ModifyCacheSubnetGroup
			ModifyGlobalReplicationGroup ModifyReplicationGroupShardConfiguration ModifyServerlessCache ModifyUser
			ModifyUserGroup PrepareMigration PurchaseReservedCacheNodesOffering RebalanceSlotsInGlobalReplicationGroup
			ResetCacheParameterGroup RevokeCacheSecurityGroupIngress StartMigration StopMigration TestMigration`),
		"sts": strings.Fields(`
			AssumeRole AssumeRoleWithSAML AssumeRoleWithWebIdentity AssumeRoot DecodeAuthorizationMessage GetAccessKeyInfo
			GetDelegatedAccessToken GetFederationToken GetSessionToken GetWebIdentityToken`),
	}
}

// storeError is what a client sees of a failure of the store: it may try again.
func storeError(err error) error {
	return fmt.Errorf("%w (cause: %w)", awsquery.ServiceUnavailable("The state of larder cannot be read or written at the moment. Try again."), err)
}
