package api

import (
	"context"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/larder-cache/larder/control/model"
)

func stsOperations() []Operation {
	return []Operation{
		handle(Operation{Service: "sts", Name: "GetCallerIdentity", Action: "sts:GetCallerIdentity", Resources: []string{"*"}}, getCallerIdentity),
	}
}

// getCallerIdentity says who the root of an account is: the only caller that there is.
func getCallerIdentity(_ context.Context, c *call, _ *sts.GetCallerIdentityInput) (*sts.GetCallerIdentityOutput, error) {
	account := c.config.Account
	partition, _, _ := strings.Cut(model.ClusterARN(c.config.Region, account, ""), ":elasticache:")
	return &sts.GetCallerIdentityOutput{Account: new(account), UserId: new(account), Arn: new(partition + ":iam::" + account + ":root")}, nil
}
