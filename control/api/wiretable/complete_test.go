package wiretable

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/elasticache"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/larder-cache/larder/wire/awsquery"
)

// TestEveryOperation compares the tables with the methods of the SDK's clients.
func TestEveryOperation(t *testing.T) {
	for _, want := range []struct {
		service *awsquery.Service
		client  reflect.Type
		count   int
	}{
		{ElastiCache(), reflect.TypeFor[*elasticache.Client](), 77},
		{STS(), reflect.TypeFor[*sts.Client](), 11},
	} {
		var methods []string
		for i := range want.client.NumMethod() {
			if name := want.client.Method(i).Name; name != "Options" {
				methods = append(methods, name)
			}
		}
		got := want.service.Operations()
		if !slices.Equal(got, methods) || len(got) != want.count {
			t.Errorf("%s: %d operations %v\nthe client has %v", want.service.Name(), len(got), got, methods)
		}
	}
}

// TestEveryMember compares the tables with the fields of the SDK's structs.
func TestEveryMember(t *testing.T) {
	for _, table := range []awsquery.ServiceTable{elastiCacheTable(), stsTable()} {
		shapes := make(map[reflect.Type]awsquery.ShapeTable)
		for _, s := range table.Shapes {
			shapes[s.Type] = s
		}
		used := make(map[reflect.Type]bool)
		for _, op := range table.Operations {
			for _, typ := range []reflect.Type{op.Input, op.Output} {
				checkFields(t, shapes, typ, used)
			}
		}
		for typ := range shapes {
			if !used[typ] {
				t.Errorf("%v has a shape and no operation has it", typ)
			}
		}
	}
}

func checkFields(t *testing.T, shapes map[reflect.Type]awsquery.ShapeTable, typ reflect.Type, used map[reflect.Type]bool) {
	if used[typ] {
		return
	}
	used[typ] = true
	s, ok := shapes[typ]
	if !ok {
		t.Errorf("%v has no shape", typ)
		return
	}
	var fields []string
	for i := range typ.NumField() {
		f := typ.Field(i)
		if !f.IsExported() || f.Name == "ResultMetadata" {
			continue
		}
		fields = append(fields, f.Name)
		next := f.Type
		for next.Kind() == reflect.Pointer || next.Kind() == reflect.Slice {
			next = next.Elem()
		}
		if next.Kind() == reflect.Struct && strings.HasSuffix(next.PkgPath(), "/types") {
			checkFields(t, shapes, next, used)
		}
	}
	slices.Sort(fields)
	var members []string
	for _, m := range s.Members {
		members = append(members, m.Field)
	}
	slices.Sort(members)
	if !slices.Equal(fields, members) {
		t.Errorf("%v has fields %v\nand members %v", typ, fields, members)
	}
}

func TestInputMembers(t *testing.T) {
	op, _ := ElastiCache().Operation("DecreaseReplicaCount")
	want := []string{"ApplyImmediately", "NewReplicaCount", "ReplicaConfiguration.NewReplicaCount", "ReplicaConfiguration.NodeGroupId",
		"ReplicaConfiguration.PreferredAvailabilityZones", "ReplicaConfiguration.PreferredOutpostArns", "ReplicasToRemove", "ReplicationGroupId"}
	if got := op.InputMembers(); !slices.Equal(got, want) {
		t.Errorf("got %v", got)
	}
	op, _ = ElastiCache().Operation("ModifyReplicationGroup")
	if got := op.RequiredMembers(); !slices.Equal(got, []string{"ReplicationGroupId"}) {
		t.Errorf("required: %v", got)
	}
	op, _ = STS().Operation("GetCallerIdentity")
	if got := op.OutputMembers(); !slices.Equal(got, []string{"Account", "Arn", "UserId"}) || len(op.InputMembers()) != 0 {
		t.Errorf("GetCallerIdentity: %v", got)
	}
}

func TestErrorConstructors(t *testing.T) {
	got := ReplicationGroupNotFoundFault("ReplicationGroup %s not found.", "g")
	want := awsquery.Error{Code: "ReplicationGroupNotFoundFault", Message: "ReplicationGroup g not found.", Status: 404,
		Fault: awsquery.Sender, Shape: "ReplicationGroupNotFoundFault"}
	if *got != want {
		t.Errorf("got %+v", *got)
	}
	// Codes and statuses that are not what one would guess.
	for _, c := range []struct {
		err    *awsquery.Error
		code   string
		status int
	}{
		{CacheClusterNotFoundFault(""), "CacheClusterNotFound", 404},
		{CacheSubnetGroupNotFoundFault(""), "CacheSubnetGroupNotFoundFault", 400},
		{InvalidCredentialsException(""), "InvalidCredentialsException", 408},
		{ReservedCacheNodeAlreadyExistsFault(""), "ReservedCacheNodeAlreadyExists", 404},
		{CacheSecurityGroupQuotaExceededFault(""), "QuotaExceeded.CacheSecurityGroup", 400},
		{UserNotFoundFault(""), "UserNotFound", 404},
	} {
		if c.err.Code != c.code || c.err.Status != c.status {
			t.Errorf("%s: %s %d", c.err.Shape, c.err.Code, c.err.Status)
		}
	}
}
