using S3dlio.Cli.Addresses;
using S3dlio.Hashing;
using S3dlio.Storage;
using S3dlio.Transfer;

namespace S3dlio.Cli.Transfers;

/// <summary>How two objects of one name are judged.</summary>
enum Judgement
{
    /// <summary>By checksum where both sides have one, else by size and time.</summary>
    Recorded,
    /// <summary>By checksum, taken from the bytes where none is recorded or files lie here.</summary>
    Bytes,
    /// <summary>The same, and files on the source's side are read, so that what is there is there for certain.</summary>
    Proven,
    Size,
    SizeAndTime,
}

/// <summary>Whether what is there already is what is to be there.</summary>
static class Comparison
{
    public static async ValueTask<bool> AreSameAsync(Judgement how, ObjectStore from, ObjectMeta source, ObjectStore to, ObjectMeta there,
        CancellationToken cancel)
    {
        if (source.Size != there.Size)
            return false;
        bool inOrder = there.LastModified >= source.LastModified;
        switch (how)
        {
            case Judgement.Size:
                return true;
            case Judgement.SizeAndTime:
                return inOrder;
            case Judgement.Bytes:
                return await SumAsync(from, source, true, cancel) == await SumAsync(to, there, true, cancel);
        }
        var theirs = (await HeadAsync(to, there, cancel)).Checksum;
        if (theirs is null)
            return inOrder;
        // a record beside a file says nothing of who wrote into it since; the file's time does
        var ours = from.IsNear && (how == Judgement.Proven || !inOrder) ? await SumAsync(from, source, true, cancel)
            : (await HeadAsync(from, source, cancel)).Checksum;
        return ours is null ? inOrder : ours == theirs;
    }

    /// <summary>The CRC32C of an object: what is recorded, or what its bytes have.</summary>
    /// <param name="store">Where it is.</param>
    /// <param name="meta">Which.</param>
    /// <param name="reads">Whether bytes are read where nothing is recorded, and always of files.</param>
    /// <param name="cancel">Ends it.</param>
    public static async ValueTask<Checksum?> SumAsync(ObjectStore store, ObjectMeta meta, bool reads, CancellationToken cancel)
    {
        if (!store.IsNear && (await HeadAsync(store, meta, cancel)).Checksum is { } recorded)
            return recorded;
        return reads ? (await ByteCheck.ReadAsync(store, meta.Key, null, cancel)).Found : null;
    }

    static async ValueTask<ObjectMeta> HeadAsync(ObjectStore store, ObjectMeta meta, CancellationToken cancel) =>
        meta.Checksum is not null ? meta : await store.HeadAsync(meta.Key, cancel);
}
