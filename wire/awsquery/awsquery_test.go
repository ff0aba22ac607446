package awsquery

import (
	"encoding/xml"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

// Types as an SDK has them.
type (
	color string

	part struct {
		Name  *string
		Size  *int32
		Zones []string
	}

	makeInput struct {
		ThingID *string
		Count   *int32
		Ratio   *float64
		Fast    *bool
		At      *time.Time
		Color   color
		Colors  []color
		Names   []string
		Part    *part
		Parts   []part
	}

	makeOutput struct {
		ThingID *string
		Names   []string
		Parts   []part
		Part    *part
		Color   color
		Fast    *bool
		Count   *int32
		Ratio   *float64
		At      *time.Time
	}
	emptyOutput struct{}
)

func (color) Values() []color { return []color{"red", "green"} }

func testTable() ServiceTable {
	return ServiceTable{
		Name: "things", Version: "2026-01-01", XMLNS: "http://things.test/doc/",
		Operations: []OperationTable{
			{Name: "MakeThing", Input: reflect.TypeFor[makeInput](), Output: reflect.TypeFor[makeOutput](), Errors: []string{"ThingFault"}},
			{Name: "DropThing", Input: reflect.TypeFor[makeInput](), Output: reflect.TypeFor[emptyOutput](), NoResult: true},
		},
		Errors: []ErrorShape{{Name: "ThingFault", Code: "Thing", Status: 404, Fault: Sender}},
		Shapes: []ShapeTable{
			{Type: reflect.TypeFor[makeInput](), Required: []string{"ThingID"}, Members: []MemberTable{
				{Field: "ThingID", Name: "ThingId", Label: "ThingIdentifier", Limits: &Limits{Min: 2, Max: 8, Pattern: "^[a-z]+$"}},
				{Field: "Count", Name: "Count"},
				{Field: "Ratio", Name: "Ratio"},
				{Field: "Fast", Name: "Fast"},
				{Field: "At", Name: "At"},
				{Field: "Color", Name: "Color"},
				{Field: "Colors", Name: "Colors", Element: "member"},
				{Field: "Names", Name: "Names", Element: "Name", Limits: &Limits{Max: 3}, ElementLimits: &Limits{Min: 1}},
				{Field: "Part", Name: "Part"},
				{Field: "Parts", Name: "Parts", Element: "Part"},
			}},
			{Type: reflect.TypeFor[part](), Required: []string{"Size"}, Members: []MemberTable{
				{Field: "Name", Name: "Name"},
				{Field: "Size", Name: "Size"},
				{Field: "Zones", Name: "Zones", Element: "Zone"},
			}},
			{Type: reflect.TypeFor[makeOutput](), Members: []MemberTable{
				{Field: "ThingID", Name: "ThingId"},
				{Field: "Names", Name: "Names", Element: "Name"},
				{Field: "Parts", Name: "Parts", Element: "Part"},
				{Field: "Part", Name: "Part"},
				{Field: "Color", Name: "Color"},
				{Field: "Fast", Name: "Fast"},
				{Field: "Count", Name: "Count"},
				{Field: "Ratio", Name: "Ratio"},
				{Field: "At", Name: "At"},
			}},
			{Type: reflect.TypeFor[emptyOutput]()},
		},
	}
}

func testService(t testing.TB) *Service {
	t.Helper()
	s, err := NewService(testTable())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func testOperation(t testing.TB, name string) *Operation {
	t.Helper()
	op, ok := testService(t).Operation(name)
	if !ok {
		t.Fatalf("no operation %s", name)
	}
	return op
}

func ptr[T any](v T) *T { return &v }

func decode(t testing.TB, query string) (*makeInput, error) {
	t.Helper()
	form, err := url.ParseQuery(query)
	if err != nil {
		t.Fatal(err)
	}
	got, err := Decode(testOperation(t, "MakeThing"), form)
	if err != nil {
		return nil, err
	}
	return got.(*makeInput), nil
}

func TestDecode(t *testing.T) {
	at := time.Date(2026, 11, 4, 10, 0, 0, 0, time.UTC)
	for query, want := range map[string]makeInput{
		"": {},
		"Action=MakeThing&Version=1&Unknown=1&Unknown.A.B=2": {},
		"Count=-7&Ratio=1.5&Fast=true":                       {Count: ptr(int32(-7)), Ratio: ptr(1.5), Fast: ptr(true)},
		"Fast=0&Color=green&Colors.member.1=red":             {Fast: ptr(false), Color: "green", Colors: []color{"red"}},
		"Count=1&Count=2":                                    {Count: ptr(int32(1))},
		"At=2026-11-04T10:00:00Z":                            {At: &at},
		"At=2026-11-04T10:00:00.000":                         {At: &at},
		"At=2026-11-04T12:00:00%2B02:00":                     {At: &at},
		"At=2026-11-04T12:00:00+02:00":                       {At: &at},
		"At=2026-11-04T10:00Z":                               {At: &at},
		"Names=":                                             {Names: []string{}},
		"Names.Name.1=a&Names.Name.2=b":                      {Names: []string{"a", "b"}},
		"Names.member.2=b&Names.member.1=a":                  {Names: []string{"a", "b"}},
		"Names.Name.10=c&Names.Name.9=b&Names.Name.1=a":      {Names: []string{"a", "b", "c"}},
		"Names.Name.18446744073709551615=z&Names.Name.0=a":   {Names: []string{"a", "z"}},
		"Names.Name.1=a&Names.member.1=ignored":              {Names: []string{"a"}},
		"Part.Size=1&Part.Zones.Zone.1=x&Part.Other=1":       {Part: &part{Size: ptr(int32(1)), Zones: []string{"x"}}},
		"Parts.Part.1.Size=1&Parts.Part.2.Size=2":            {Parts: []part{{Size: ptr(int32(1))}, {Size: ptr(int32(2))}}},
		"ThingID=wrong-case&thingid=x":                       {},
	} {
		got, err := decode(t, "ThingId=thing&"+query)
		want.ThingID = ptr("thing")
		if err != nil || !reflect.DeepEqual(*got, want) {
			t.Errorf("%s: %+v, %v", query, got, err)
		}
	}
}

func TestDecodeRefuses(t *testing.T) {
	const ok = "ThingId=thing&"
	for query, want := range map[string]string{
		"":                                       "InvalidParameterValue: The parameter ThingIdentifier must be provided and must not be blank.",
		"ThingId=":                               "InvalidParameterValue: The parameter ThingIdentifier must be provided and must not be blank.",
		"Count=x":                                "MalformedInput: integer must follow xsd1.1 definition",
		ok + "Count=2147483648":                  "MalformedInput: integer must follow xsd1.1 definition",
		ok + "Count=1.0":                         "MalformedInput: integer must follow xsd1.1 definition",
		ok + "Count=":                            "MalformedInput: missing value for integer type",
		ok + "Ratio=x":                           "MalformedInput: double must follow xsd1.1 definition",
		ok + "Fast=yes":                          "MalformedInput: boolean must follow xsd1.1 definition",
		ok + "Fast=TRUE":                         "MalformedInput: boolean must follow xsd1.1 definition",
		ok + "Fast=":                             "MalformedInput: missing value for boolean type",
		ok + "At=yesterday":                      "MalformedInput: timestamp must follow ISO8601",
		ok + "At=1.44e12":                        "MalformedInput: timestamp must follow ISO8601",
		ok + "At=":                               "MalformedInput: missing value for timestamp type",
		ok + "Names=a":                           "MalformedInput: Unexpected list element termination",
		ok + "Names.Name=a":                      "MalformedInput: Unexpected list element termination",
		ok + "Names.1=a":                         "MalformedInput: Unexpected list element termination",
		ok + "Names.Name.x=a":                    "MalformedInput: Unexpected list element termination",
		ok + "Names.Name.-1=a":                   "MalformedInput: Unexpected list element termination",
		ok + "Names.Name.1=a&Names.Name.01=b":    "MalformedInput: Unexpected list element termination",
		ok + "Names.Name.99999999999999999999=a": "MalformedInput: Unexpected list element termination",
		ok + "Names.Name.1.X=a":                  "MalformedInput: Start of structure or map found where not expected.",
		ok + "Count.X=1":                         "MalformedInput: Start of structure or map found where not expected.",
		ok + "Part=x":                            "MalformedInput: Unexpected complex element termination",
		ok + "Parts.Part.1=x":                    "MalformedInput: Unexpected complex element termination",
		ok + "Part.Name=x":                       "InvalidParameterValue: The parameter Part.Size must be provided and must not be null.",
		ok + "Parts.Part.1.Size=1&Parts.Part.2.Name=x": "InvalidParameterValue: The parameter Parts.Part.2.Size must be provided and must not be null.",
		"ThingId=x": "InvalidParameterValue: 1 validation error detected: Value 'x' at 'thingId' failed to satisfy constraint: Member must have length greater than or equal to 2",
		"ThingId=123456789": "InvalidParameterValue: 2 validation errors detected: Value '123456789' at 'thingId' failed to satisfy constraint: Member must have length less than or equal to 8; " +
			"Value '123456789' at 'thingId' failed to satisfy constraint: Member must satisfy regular expression pattern: ^[a-z]+$",
		ok + "Color=blue":        "InvalidParameterValue: 1 validation error detected: Value 'blue' at 'color' failed to satisfy constraint: Member must satisfy enum value set: [red, green]",
		ok + "Colors.member.1=x": "InvalidParameterValue: 1 validation error detected: Value 'x' at 'colors.1.member' failed to satisfy constraint: Member must satisfy enum value set: [red, green]",
		ok + "Names.Name.1=a&Names.Name.2=b&Names.Name.3=c&Names.Name.4=": "InvalidParameterValue: 2 validation errors detected: " +
			"Value '[4 elements]' at 'names' failed to satisfy constraint: Member must have length less than or equal to 3; " +
			"Value '' at 'names.4.member' failed to satisfy constraint: Member must have length greater than or equal to 1",
	} {
		_, err := decode(t, query)
		var e *Error
		if !errors.As(err, &e) || e.Error() != want || e.Status != 400 || e.Fault != Sender {
			t.Errorf("%s:\ngot  %v\nwant %s", query, err, want)
		}
	}
}

func TestBounds(t *testing.T) {
	deep := "ThingId=thing&" + strings.Repeat("a.", 100_000) + "b=1"
	if _, err := decode(t, deep); err != nil {
		t.Errorf("a deep unknown parameter: %v", err)
	}
	form := url.Values{}
	for i := range MaxParameters + 1 {
		form.Set(fmt.Sprint("p", i), "")
	}
	if _, err := Decode(testOperation(t, "MakeThing"), form); AsError(err).Code != "MalformedQueryString" {
		t.Errorf("too many parameters: %v", err)
	}
	_, err := decode(t, "ThingId=thing&Color="+strings.Repeat("é", 10_000))
	if err == nil || len(err.Error()) > 1000 {
		t.Errorf("a long value is repeated in full: %d bytes", len(err.Error()))
	}
}

func TestForm(t *testing.T) {
	for _, c := range []struct {
		target, contentType, body string
		want                      url.Values
	}{
		{"/?a=1", "", "a=2&b=3", url.Values{"a": {"2", "1"}, "b": {"3"}}},
		{"/", "application/x-www-form-urlencoded; charset=utf-8", "a=%26+", url.Values{"a": {"& "}}},
		{"/?a=1", "application/x-amz-json-1.1", `{"b":1}`, url.Values{"a": {"1"}}},
		{"/", "", "", url.Values{}},
	} {
		r := httptest.NewRequest(http.MethodPost, c.target, nil)
		r.Header.Set("Content-Type", c.contentType)
		got, err := Form(r, []byte(c.body))
		if err != nil || !reflect.DeepEqual(got, c.want) {
			t.Errorf("%+v: %v, %v", c, got, err)
		}
	}
	for _, body := range []string{"a=%zz", "a;b", strings.Repeat("&", MaxParameters)} {
		_, err := Form(httptest.NewRequest(http.MethodPost, "/", nil), []byte(body))
		if e := AsError(err); e.Code != "MalformedQueryString" || e.Status != 404 {
			t.Errorf("%.10s: %v", body, err)
		}
	}
}

func TestResolve(t *testing.T) {
	s := testService(t)
	for query, want := range map[string]string{
		"Action=MakeThing&Version=2026-01-01": "",
		"Action=MakeThing":                    "",
		"":                                    "MissingAction: The request is missing an action or a required parameter.",
		"Action=Nope":                         "InvalidAction: Could not find operation Nope for version NO_VERSION_SPECIFIED",
		"Action=MakeThing&Version=1999-01-01": "InvalidAction: Could not find operation MakeThing for version 1999-01-01",
	} {
		form, _ := url.ParseQuery(query)
		op, err := s.Resolve(form)
		if want == "" {
			if err != nil || op.Name() != "MakeThing" || op.Service() != s {
				t.Errorf("%s: %v", query, err)
			}
			continue
		}
		if err == nil || err.Error() != want || AsError(err).Status != 400 {
			t.Errorf("%s: %v", query, err)
		}
	}
}

func TestService(t *testing.T) {
	s := testService(t)
	if got := s.Operations(); !slices.Equal(got, []string{"DropThing", "MakeThing"}) {
		t.Error(got)
	}
	op := testOperation(t, "MakeThing")
	if got := op.InputMembers(); !slices.Equal(got, []string{"At", "Color", "Colors", "Count", "Fast", "Names",
		"Part.Name", "Part.Size", "Part.Zones", "Parts.Name", "Parts.Size", "Parts.Zones", "Ratio", "ThingId"}) {
		t.Error(got)
	}
	if got := op.RequiredMembers(); !slices.Equal(got, []string{"Part.Size", "Parts.Size", "ThingId"}) {
		t.Error(got)
	}
	if _, ok := op.NewInput().(*makeInput); !ok {
		t.Error("NewInput")
	}
	if _, ok := op.NewOutput().(*makeOutput); !ok {
		t.Error("NewOutput")
	}
	if len(op.Errors()) != 1 || len(s.Errors()) != 1 || s.Name() != "things" || s.Version() != "2026-01-01" {
		t.Error("errors, name or version")
	}
}

func TestWrongTables(t *testing.T) {
	type odd struct {
		C chan int
		M map[string]string
		L [][]string
		N *struct{}
	}
	shape := func(m MemberTable) func(*ServiceTable) {
		return func(s *ServiceTable) {
			s.Shapes = append(s.Shapes, ShapeTable{Type: reflect.TypeFor[odd](), Members: []MemberTable{m}})
		}
	}
	for name, breakIt := range map[string]func(*ServiceTable){
		"no such field":      func(s *ServiceTable) { s.Shapes[0].Members[0].Field = "Nope" },
		"list without name":  func(s *ServiceTable) { s.Shapes[0].Members[7].Element = "" },
		"name without list":  func(s *ServiceTable) { s.Shapes[0].Members[0].Element = "x" },
		"bad pattern":        func(s *ServiceTable) { s.Shapes[0].Members[0].Limits.Pattern = "(" },
		"required unknown":   func(s *ServiceTable) { s.Shapes[0].Required = []string{"Nope"} },
		"shape twice":        func(s *ServiceTable) { s.Shapes = append(s.Shapes, s.Shapes[0]) },
		"shape of no struct": func(s *ServiceTable) { s.Shapes[0].Type = reflect.TypeFor[int]() },
		"structure missing":  func(s *ServiceTable) { s.Shapes = slices.Delete(s.Shapes, 1, 2) },
		"output missing":     func(s *ServiceTable) { s.Shapes = s.Shapes[:3] },
		"operation twice":    func(s *ServiceTable) { s.Operations = append(s.Operations, s.Operations[0]) },
		"error unknown":      func(s *ServiceTable) { s.Operations[0].Errors = []string{"Nope"} },
		"error twice":        func(s *ServiceTable) { s.Errors = append(s.Errors, s.Errors[0]) },
		"error status":       func(s *ServiceTable) { s.Errors[0].Status = 200 },
		"channel":            shape(MemberTable{Field: "C", Name: "C"}),
		"map":                shape(MemberTable{Field: "M", Name: "M"}),
		"list of lists":      shape(MemberTable{Field: "L", Name: "L", Element: "member"}),
		"unknown structure":  shape(MemberTable{Field: "N", Name: "N"}),
	} {
		table := testTable()
		breakIt(&table)
		if _, err := NewService(table); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestEncodeResult(t *testing.T) {
	out := &makeOutput{
		ThingID: ptr("a<&\x01"), Names: []string{"x", ""}, Parts: []part{{Zones: []string{}}, {Size: ptr(int32(3))}}, Part: &part{},
		Color: "red", Fast: ptr(false), Count: ptr(int32(0)), Ratio: ptr(0.1),
		At: ptr(time.Date(2026, 11, 4, 12, 0, 0, 5e6, time.FixedZone("", 3600))),
	}
	got, err := EncodeResult(testOperation(t, "MakeThing"), out, "id-1")
	want := `<MakeThingResponse xmlns="http://things.test/doc/">
<MakeThingResult><ThingId>a&lt;&amp;` + "\uFFFD" + `</ThingId><Names><Name>x</Name><Name></Name></Names>` +
		`<Parts><Part><Zones/></Part><Part><Size>3</Size></Part></Parts><Part></Part><Color>red</Color><Fast>false</Fast>` +
		`<Count>0</Count><Ratio>0.1</Ratio><At>2026-11-04T11:00:00.005Z</At></MakeThingResult>
<ResponseMetadata><RequestId>id-1</RequestId></ResponseMetadata>
</MakeThingResponse>
`
	if err != nil || string(got) != want {
		t.Errorf("%v\n%s\nwant\n%s", err, got, want)
	}
	got, err = EncodeResult(testOperation(t, "MakeThing"), &makeOutput{}, "id-2")
	if err != nil || !strings.Contains(string(got), "<MakeThingResult><Names/><Parts/></MakeThingResult>") {
		t.Errorf("empty: %v %s", err, got)
	}
	got, err = EncodeResult(testOperation(t, "DropThing"), &emptyOutput{}, "id-3")
	if err != nil || strings.Contains(string(got), "Result>") || !strings.Contains(string(got), "<RequestId>id-3<") {
		t.Errorf("no result: %v %s", err, got)
	}
	for _, wrong := range []any{nil, makeOutput{}, (*makeOutput)(nil), &makeInput{}, "x"} {
		if _, err := EncodeResult(testOperation(t, "MakeThing"), wrong, ""); err == nil {
			t.Errorf("%T: no error", wrong)
		}
	}
}

type foreignError struct{}

func (foreignError) Error() string                   { return "f" }
func (foreignError) AWSError() (string, string, int) { return "Foreign", "of another package", 403 }

func TestEncodeError(t *testing.T) {
	shape := ErrorShape{Name: "ThingFault", Code: "Thing", Status: 404, Fault: Sender}
	for _, c := range []struct {
		err    error
		status int
		want   []string
	}{
		{shape.New("Thing %s <gone>", "x"), 404, []string{"<Type>Sender</Type>", "<Code>Thing</Code>", "<Message>Thing x &lt;gone&gt;</Message>"}},
		{fmt.Errorf("wrapped: %w", shape.New("inner")), 404, []string{"<Message>inner</Message>"}},
		{foreignError{}, 403, []string{"<Type>Sender</Type>", "<Code>Foreign</Code>", "of another package"}},
		{errors.New("the disk of 10.0.0.7 is full"), 500, []string{"<Type>Receiver</Type>", "<Code>InternalFailure</Code>"}},
		{NotImplemented("MakeThing"), 501, []string{"<Type>Receiver</Type>", "<Code>NotImplemented</Code>", "MakeThing"}},
		{ServiceUnavailable("wait"), 503, []string{"<Code>ServiceUnavailable</Code>"}},
		{Throttling(), 400, []string{"<Code>Throttling</Code><Message>Rate exceeded</Message>"}},
		{AccessDenied("no"), 403, []string{"<Code>AccessDenied</Code>"}},
		{MustNotBeNull("CacheNodeType"), 400, []string{"The parameter CacheNodeType must be provided and must not be null."}},
	} {
		status, body := EncodeError(testService(t), c.err, "id-9")
		flat := strings.NewReplacer("\n", "", "  ", "").Replace(string(body))
		if status != c.status || !strings.HasPrefix(flat, `<ErrorResponse xmlns="http://things.test/doc/"><Error>`) ||
			!strings.HasSuffix(flat, "</Error><RequestId>id-9</RequestId></ErrorResponse>") || strings.Contains(flat, "10.0.0.7") {
			t.Errorf("%v: %d %s", c.err, status, flat)
		}
		for _, want := range c.want {
			if !strings.Contains(flat, want) {
				t.Errorf("%v: %s is not in %s", c.err, want, flat)
			}
		}
	}
	if _, body := EncodeError(nil, Throttling(), ""); !strings.Contains(string(body), faultNS) {
		t.Errorf("no service: %s", body)
	}
}

// FuzzDecode gives arbitrary forms: an *Error with a client's status, or an input
// that encodes to well-formed XML when it is answered.
func FuzzDecode(f *testing.F) {
	for _, seed := range []string{
		"ThingId=thing&Count=1", "ThingId=a&Names.Name.1=x&Names.Name.3=y", "Parts.Part.1.Zones.Zone.1=z&ThingId=b",
		"Part=&Names=&Fast=&At=", "Names.Name.99999999999=1", "....=1&.=2&Names..1=3", "ThingId=%01%ff&Colors.member.1=red",
	} {
		f.Add(seed)
	}
	op := testOperation(f, "MakeThing")
	f.Fuzz(func(t *testing.T, body string) {
		r := httptest.NewRequest(http.MethodPost, "/", nil)
		form, err := Form(r, []byte(body))
		if err == nil {
			var got any
			if got, err = Decode(op, form); err == nil {
				in := got.(*makeInput)
				out, err := EncodeResult(op, &makeOutput{ThingID: in.ThingID, Names: in.Names, Parts: in.Parts, Part: in.Part, At: in.At}, "r")
				if err != nil {
					t.Fatal(err)
				}
				if err := xml.Unmarshal(out, new(struct{ XMLName xml.Name })); err != nil {
					t.Fatalf("%v in %s", err, out)
				}
				return
			}
		}
		var e *Error
		if !errors.As(err, &e) || e.Status < 400 || e.Status > 499 {
			t.Fatalf("%T %v", err, err)
		}
		status, answer := EncodeError(op.Service(), err, "r")
		if err := xml.Unmarshal(answer, new(struct{ XMLName xml.Name })); err != nil || status != e.Status {
			t.Fatalf("%v in %s", err, answer)
		}
	})
}
