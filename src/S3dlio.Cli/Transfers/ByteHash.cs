using System.Security.Cryptography;
using S3dlio.Cli.CommandLine;
using S3dlio.Hashing;
using S3dlio.Storage;
using S3dlio.Transfer;

namespace S3dlio.Cli.Transfers;

/// <summary>Hashes of an object's bytes, of those functions that other programs print too.</summary>
static class ByteHash
{
    const int WindowLength = 8 << 20;

    /// <returns>The name of the function, a colon and hexadecimal digits.</returns>
    public static async ValueTask<string> OfAsync(ObjectStore store, string key, string algorithm, CancellationToken cancel)
    {
        if (algorithm == "crc32c")
            return (await ByteCheck.ReadAsync(store, key, null, cancel)).Found.ToString();
        using var hash = algorithm switch
        {
            "md5" => IncrementalHash.CreateHash(HashAlgorithmName.MD5),
            "sha1" => IncrementalHash.CreateHash(HashAlgorithmName.SHA1),
            "sha256" => IncrementalHash.CreateHash(HashAlgorithmName.SHA256),
            "crc64nvme" => null,
            _ => throw new UsageException(NearestName.Refuse("algorithm", algorithm, ["crc32c", "crc64nvme", "md5", "sha1", "sha256"])),
        };
        var digest = Digest.Empty(DigestKind.Crc64Nvme);
        await using var reader = await store.OpenReadAsync(key, ReadOptions.Default, cancel);
        var buffer = new byte[(int)Math.Clamp(reader.Meta.Size, 1, WindowLength)];
        for (long at = 0; at < reader.Meta.Size;)
        {
            var window = buffer.AsMemory(0, (int)Math.Min(buffer.Length, reader.Meta.Size - at));
            await ParallelRead.ReadAsync(reader, at, LargeMemory.From(window), false, null, cancel);
            if (hash is null)
                digest = digest.Then(Digest.Of(DigestKind.Crc64Nvme, window.Span), window.Length);
            else
                hash.AppendData(window.Span);
            at += window.Length;
        }
        return hash is null ? digest.ToString() : $"{algorithm}:{Convert.ToHexStringLower(hash.GetHashAndReset())}";
    }
}
