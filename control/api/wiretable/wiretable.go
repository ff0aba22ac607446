// Package wiretable is the generated knowledge of the AWS APIs that larder
// serves: operations, wire names, required members and errors of ElastiCache and
// STS, as tables for wire/awsquery, and a constructor for each error of their
// models.
//
// It is no codec and holds no handler. The zz_ files are written by
// control/api/gen from the SDK modules in go.mod; change facts.json there or the
// SDK's version, not them.
package wiretable

//go:generate go run ../gen -out .

import (
	"sync"

	"github.com/larder-cache/larder/wire/awsquery"
)

// ElastiCache returns the API of ElastiCache, version 2015-02-02.
func ElastiCache() *awsquery.Service { return elastiCache() }

// STS returns the API of STS, version 2011-06-15.
func STS() *awsquery.Service { return securityTokenService() }

// Services returns all services, by their names in a credential scope.
func Services() map[string]*awsquery.Service {
	all := make(map[string]*awsquery.Service)
	for _, s := range []*awsquery.Service{ElastiCache(), STS()} {
		all[s.Name()] = s
	}
	return all
}

// Each table is compiled once, on first use, and never changed.
var (
	elastiCache          = sync.OnceValue(func() *awsquery.Service { return compile(elastiCacheTable()) })
	securityTokenService = sync.OnceValue(func() *awsquery.Service { return compile(stsTable()) })
)

// compile panics on a wrong table, which no input can cause: the tables are
// constants, and this package's tests compile them all.
func compile(table awsquery.ServiceTable) *awsquery.Service {
	s, err := awsquery.NewService(table)
	if err != nil {
		panic(err)
	}
	return s
}
