// Package sms sends codes and notices to phones: by Aliyun, Tencent Cloud, a webhook or a writer. It signs the requests of the providers itself,
// because their SDKs are larger than minifed.
package sms
