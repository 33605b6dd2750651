using S3dlio.Storage;

namespace S3dlio.Cli.Addresses;

/// <summary>An argument that names something in a store.</summary>
/// <param name="Store">Opened at its container, or at the root of the file system.</param>
/// <param name="Key">The key there; of an address with wildcards the folder above them.</param>
/// <param name="Typed">What the user wrote for <paramref name="Key"/>; addresses are shown in the same form.</param>
sealed record Place(ObjectStore Store, string Key, string Typed)
{
    /// <summary>The wildcards, below <see cref="Key"/>; null where there are none.</summary>
    public Glob? Glob { get; init; }

    public bool IsLocal => Store.Root.IsLocal;

    /// <summary>The path of a folder on this machine, where <see cref="IsLocal"/>.</summary>
    public string LocalFolder => "/" + Key.TrimEnd('/');

    /// <summary>A path with a slash at its end, or the whole of a container: surely no object.</summary>
    public bool IsFolder => Key.Length == 0 || Key.EndsWith('/');

    /// <summary>What the keys of everything below begin with.</summary>
    public string Prefix => IsFolder ? Key : Key + "/";

    /// <summary>The last name, for an object that goes into a folder.</summary>
    public string Name => Key.TrimEnd('/') is var path ? path[(path.LastIndexOf('/') + 1)..] : "";

    /// <summary>The address of a key as the user would write it.</summary>
    public string Address(string key) => key.StartsWith(Key, StringComparison.Ordinal) ? Typed + key[Key.Length..] : Store.Root.Child(key);

    public override string ToString() => Glob is null ? Typed : Typed + Glob.Pattern;
}
