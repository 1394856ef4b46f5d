// Package auth makes and checks the tokens by which clients say who they are:
// JSON Web Tokens (RFC 7519) in compact form, signed for an API key with its
// secret (HS256, RFC 7518) or a private key whose public half is configured
// (ES256, EdDSA), with the claims that LiveKit's SDKs write. Browsers may
// exchange a token for a session cookie. Authenticator.Authenticate is where
// protocol edges ask who a request comes from.
//
// A token is checked from the outside in, so that nothing is parsed that the
// step before would have refused: length, three strict base64url parts, a
// header with an algorithm that a key has, claims without duplicate members, the
// signature, then times and the rest. Errors form a closed list whose texts
// never hold a part of the token.
package auth
