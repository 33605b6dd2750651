using System.Security.Cryptography;
using S3dlio.Http;

namespace S3dlio.Storage.Remote.S3;

/// <summary>
/// A key of the user's own, with which the server encrypts and decrypts and which it does not keep (SSE-C). It goes with every request
/// that touches an object's bytes or description, so it is the store's and not a put's: what was written with it cannot be read without.
/// </summary>
/// <remarks>A record only so that stores with the same key share a client; it shows nothing of the key.</remarks>
sealed record S3CustomerKey(string Base64)
{
    const int Length = 32;

    readonly string _md5 = Digest(Base64);

    public override string ToString() => nameof(S3CustomerKey);

    public static S3CustomerKey Read(NamedOption option)
    {
        var key = new byte[Length + 1];
        return Convert.TryFromBase64String(option.AsText(), key, out int length) && length == Length
            ? new(Convert.ToBase64String(key.AsSpan(0, Length)))
            : throw option.Wrong($"the base64 of {Length} bytes");
    }

    public void Write(HttpCall call, RemoteRequest request)
    {
        // buckets, listings, deletions and tags know nothing of it
        if (request.Key.Length == 0 || request.Method == HttpMethod.Delete || request.Query.Exists(part => part.Key == "tagging"))
            return;
        Write(call, "x-amz-server-side-encryption-customer-");
        if (request.Headers.Exists(header => header.Key == "x-amz-copy-source"))
            Write(call, "x-amz-copy-source-server-side-encryption-customer-");
    }

    void Write(HttpCall call, string prefix)
    {
        call.Add(prefix + "algorithm", "AES256");
        call.Add(prefix + "key", Base64);
        call.Add(prefix + "key-md5", _md5);
    }

    static string Digest(string key)
    {
#pragma warning disable CA5351 // S3's check that the key arrived whole; it keeps no secret
        return Convert.ToBase64String(MD5.HashData(Convert.FromBase64String(key)));
#pragma warning restore CA5351
    }
}
