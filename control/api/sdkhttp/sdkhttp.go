// Package sdkhttp is an HTTP client for AWS's SDK, for tests.
package sdkhttp

import (
	"bytes"
	"io"
	"net/http"
)

// Client reads each reply to its end before it hands it on. The SDK closes a request's body as soon as there is a reply. If the transport
// has not looked by then whether the body is at its end, it takes the request for broken off and closes the connection, and what was
// not read of the reply is lost. That happens on a busy machine, to replies of some kilobytes.
type Client struct{ http.Client }

// Do implements the SDK's HTTPClient.
func (c *Client) Do(r *http.Request) (*http.Response, error) {
	resp, err := c.Client.Do(r)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, err
	}
	resp.Body = io.NopCloser(bytes.NewReader(b))
	return resp, nil
}
