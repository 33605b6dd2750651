using System.Text.RegularExpressions;

namespace S3dlio.Storage;

/// <summary>How to open an object for reading.</summary>
public sealed record ReadOptions
{
    public static ReadOptions Default { get; } = new();

    /// <summary>The whole object in one answer.</summary>
    public static ReadOptions Undivided { get; } = new() { OneAnswer = true };

    /// <summary>An object that begins with a header.</summary>
    public static ReadOptions Headed { get; } = new() { KeepsHead = true };

    /// <summary>Fails with <see cref="ErrorKind.Precondition"/> unless the object still has this ETag.</summary>
    public string? IfMatch { get; init; }

    /// <summary>
    /// What a small first read brings is kept for the next one, which often begins within it, also where it was the whole object. For
    /// readers of headers: others would pay for a copy.
    /// </summary>
    public bool KeepsHead { get; init; }

    /// <summary>Where the first read will begin, for stores that can fetch it with the same request that opens the object.</summary>
    public long FirstOffset { get; init; }

    /// <summary>How many bytes the first read wants; null when it wants all.</summary>
    public long? FirstLength { get; init; }

    /// <summary>
    /// All that the first read wants comes with the answer that opens the object, and is read in its order: slower than parts in parallel,
    /// and a concurrent write of the object does not disturb it. Stores whose readers keep their version anyway pass over this.
    /// </summary>
    public bool OneAnswer { get; init; }
}

/// <summary>How to write an object.</summary>
public sealed record PutOptions
{
    public static PutOptions Default { get; } = new();

    /// <summary>False: create the object, or fail with <see cref="ErrorKind.AlreadyExists"/> and leave the other untouched.</summary>
    public bool Overwrite { get; init; } = true;

    /// <summary>Replace only the object with this ETag, else fail with <see cref="ErrorKind.Precondition"/>.</summary>
    public string? IfMatch { get; init; }

    /// <summary>
    /// Have the data on the device before the name appears, and the name before the call returns. Null: as the store was opened.
    /// </summary>
    public bool? Durable { get; init; }

    /// <summary>
    /// Whoever sees it must see all that was written before it, such as what a manifest names. A store that acknowledges writes before
    /// they are everywhere sends it after them; to others it means nothing.
    /// </summary>
    public bool Barrier { get; init; }

    /// <summary>It goes on beside a program that computes: no further core is taken to be done sooner.</summary>
    public bool Background { get; init; }

    public string? ContentType { get; init; }

    /// <summary>The user's own key-value pairs, kept with the object.</summary>
    public IReadOnlyDictionary<string, string>? Metadata { get; init; }

    /// <summary>
    /// What else the store can be told of an object, by the name that <c>stat</c> gives it: <see cref="ObjectStore.WritableAttributes"/>.
    /// </summary>
    public IReadOnlyDictionary<string, string>? Attributes { get; init; }

    /// <summary>Tags, where the store has them: pairs beside the object, which policies and lifecycle rules look at.</summary>
    public IReadOnlyDictionary<string, string>? Tags { get; init; }

    /// <summary>
    /// Those of the object that this one is made from, or takes the place of: a new file is open to no more users than that was.
    /// </summary>
    internal uint? Permissions { get; init; }

    /// <summary>Whether a copy gets another description than its source has.</summary>
    public bool Describes => ContentType is not null || Metadata is not null || Attributes is not null || Tags is not null;
}

/// <summary>What a presigned URL allows.</summary>
public sealed record PresignOptions
{
    public static PresignOptions Default { get; } = new();

    /// <summary><c>GET</c>, <c>HEAD</c>, <c>PUT</c> or <c>DELETE</c>.</summary>
    public string Method { get; init; } = "GET";

    /// <summary>One second to seven days.</summary>
    public TimeSpan Expires { get; init; } = TimeSpan.FromHours(1);
}

/// <summary>What to list.</summary>
public sealed record ListOptions
{
    public static ListOptions Default { get; } = new();

    public const int MaxPageSize = 10_000;

    /// <summary>False: one level, keys below a further <c>/</c> folded into prefixes.</summary>
    public bool Recursive { get; init; } = true;

    /// <summary>Only keys after this one, in the order of their bytes.</summary>
    public string? StartAfter { get; init; }

    /// <summary>Entries a page, 1 to 10,000.</summary>
    public int PageSize { get; init; } = 1000;

    /// <summary>Only objects whose key matches; prefixes are not filtered.</summary>
    public Regex? Pattern { get; init; }

    /// <exception cref="StoreException">InvalidArgument for a page size outside its range, a page of nothing would never end, or a
    /// <see cref="StartAfter"/> that is no key.</exception>
    public void Check(StoreUri root)
    {
        if (PageSize is < 1 or > MaxPageSize)
            throw StoreException.InvalidArgument(root.ToString(), $"the page size must be from 1 to {MaxPageSize}, found {PageSize}");
        if (StartAfter is not null)
            ObjectKey.CheckUnicode(root, StartAfter);
    }
}

/// <summary>One page of a listing, in the order of the keys' UTF-8 bytes.</summary>
/// <param name="Objects">Objects; size and time are set, the rest as far as the store lists it.</param>
/// <param name="Prefixes">Folded prefixes, each ending in <c>/</c>.</param>
public sealed record ListPage(IReadOnlyList<ObjectMeta> Objects, IReadOnlyList<string> Prefixes);

/// <summary>A key that a batch could not delete, and why.</summary>
public sealed record DeleteFailure(string Key, StoreException Error);

/// <summary>How a store's objects are best read in parallel.</summary>
/// <param name="PartSize">Bytes of one read.</param>
/// <param name="Concurrency">Reads in flight.</param>
/// <param name="Gap">Unwanted bytes between two pieces that cost less than a read of their own.</param>
/// <param name="Alignment">Reads should begin at multiples of this many bytes. A divisor of the part size; 1 where it does not
/// matter.</param>
public readonly record struct TransferHints(int PartSize, int Concurrency, int Gap = 16 << 10, int Alignment = 1);
