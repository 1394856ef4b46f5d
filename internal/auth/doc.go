// Package auth makes and checks the tokens by which clients say who they are:
// JSON Web Tokens (RFC 7519) in compact form, signed with HS256 (RFC 7518) by
// the secret of an API key, with the claims that LiveKit's SDKs write.
//
// A token is checked from the outside in, so that nothing is parsed that the
// step before would have refused: length, three strict base64url parts, a
// header that pins the algorithm, claims without duplicate members, the
// signature, then times and the rest. Errors form a closed list whose texts
// never hold a part of the token.
package auth
