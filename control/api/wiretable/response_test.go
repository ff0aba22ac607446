package wiretable

import (
	"errors"
	"reflect"
	"testing"

	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"
	"github.com/larder-cache/larder/wire/awsquery"
)

// TestFilledAnswers encodes outputs with every member set and demands that the
// SDK's client reads them as they were.
func TestFilledAnswers(t *testing.T) {
	each(t, func(t *testing.T, op *awsquery.Operation) {
		input, want, n := op.NewInput(), op.NewOutput(), 0
		fill(reflect.ValueOf(input).Elem(), "", &n)
		fill(reflect.ValueOf(want).Elem(), "", &n)
		w := &wire{status: 200, answer: encode(t, op, want)}
		got, err := call(t, newClient(t, op.Service(), w), op.Name(), input)
		if err != nil {
			t.Fatal(err)
		}
		metadata := reflect.ValueOf(got).Elem().FieldByName("ResultMetadata")
		metadata.SetZero()
		if !reflect.DeepEqual(got, want) {
			t.Errorf("got  %+v\nwant %+v\n%s", got, want, w.answer)
		}
	})
}

// TestEmptyAnswers demands that lists of a result are there when they are empty.
func TestEmptyAnswers(t *testing.T) {
	each(t, func(t *testing.T, op *awsquery.Operation) {
		input, n := op.NewInput(), 0
		fill(reflect.ValueOf(input).Elem(), "", &n)
		w := &wire{status: 200, answer: encode(t, op, op.NewOutput())}
		got, err := call(t, newClient(t, op.Service(), w), op.Name(), input)
		if err != nil {
			t.Fatal(err)
		}
		v := reflect.ValueOf(got).Elem()
		for i := range v.NumField() {
			f := v.Type().Field(i)
			switch {
			case !f.IsExported() || f.Name == "ResultMetadata":
			case f.Type.Kind() == reflect.Slice:
				if v.Field(i).IsNil() || v.Field(i).Len() != 0 {
					t.Errorf("list %s did not arrive as empty", f.Name)
				}
			case !v.Field(i).IsZero():
				t.Errorf("%s = %v, nothing was sent", f.Name, v.Field(i))
			}
		}
	})
}

// TestErrors has every operation answer every error that it declares; the SDK's
// client must return the typed error.
func TestErrors(t *testing.T) {
	seen := make(map[string]bool)
	each(t, func(t *testing.T, op *awsquery.Operation) {
		input, n := op.NewInput(), 0
		fill(reflect.ValueOf(input).Elem(), "", &n)
		w := &wire{}
		client := newClient(t, op.Service(), w)
		for _, shape := range op.Errors() {
			seen[op.Service().Name()+shape.Name] = true
			w.status, w.answer = awsquery.EncodeError(op.Service(), shape.New("%s <%d>", op.Name(), 1), "req-1")
			_, err := call(t, client, op.Name(), input)
			var api smithy.APIError
			var response *smithyhttp.ResponseError
			if !errors.As(err, &api) || !errors.As(err, &response) {
				t.Fatalf("%s: %v", shape.Name, err)
			}
			if typ := reflect.TypeOf(api).Elem(); typ.Name() != shape.Name {
				t.Errorf("%s: the client returned a %v", shape.Name, typ)
			}
			if api.ErrorCode() != shape.Code || api.ErrorMessage() != op.Name()+" <1>" || response.HTTPStatusCode() != shape.Status {
				t.Errorf("%s: %s %q with status %d", shape.Name, api.ErrorCode(), api.ErrorMessage(), response.HTTPStatusCode())
			}
			if want := awsquery.Sender; api.ErrorFault() == smithy.FaultClient && shape.Fault != want {
				t.Errorf("%s: fault %s", shape.Name, shape.Fault)
			}
		}
	})
	for name, s := range Services() {
		for _, shape := range s.Errors() {
			if !seen[name+shape.Name] {
				t.Errorf("%s: no operation declares %s", name, shape.Name)
			}
		}
	}
}

// TestCommonErrors sends what no model declares.
func TestCommonErrors(t *testing.T) {
	op, _ := ElastiCache().Operation("DescribeEvents")
	w := &wire{}
	client := newClient(t, ElastiCache(), w)
	for _, want := range []*awsquery.Error{
		awsquery.NotImplemented("DescribeEvents"), awsquery.InternalFailure(), awsquery.AccessDenied("no"),
	} {
		w.status, w.answer = awsquery.EncodeError(nil, want, "req-2")
		_, err := call(t, client, op.Name(), op.NewInput())
		var api smithy.APIError
		if !errors.As(err, &api) || api.ErrorCode() != want.Code || api.ErrorMessage() != want.Message {
			t.Errorf("%v: got %v", want, err)
		}
		var response *awshttp.ResponseError
		if errors.As(err, &response) && response.ServiceRequestID() != "req-2" {
			t.Errorf("%v: request id %q", want, response.ServiceRequestID())
		}
	}
}
