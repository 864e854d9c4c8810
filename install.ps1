# Installs imjoy on Windows; `powershell -File install.ps1 -Help` says how.
#
#   irm https://github.com/oeway/ImJoy-Engine/raw/HEAD/install.ps1 | iex
#
# It does what has to happen before there is a Python, in the order and with the words of install.sh: facts, words, options,
# looking at the machine, the plan, the lock, the steps, what is told at the end. The rest is done by `imjoy install`.
# Everything stands in functions, and nothing at the top level ends the session: under iex that would close the window of
# whoever typed the line. Windows PowerShell 5.1 and later.

param(
    [string]$Prefix = $env:IMJOY_PREFIX,
    [string]$Distribution = $env:IMJOY_DISTRIBUTION,
    [string]$From = '',
    [string]$Mirror = $env:IMJOY_MIRROR,
    [string]$Offline = '',
    [string]$Installer = '',
    [string]$Sha256 = '',
    [switch]$ModifyPath,
    [switch]$Start,
    [switch]$Uninstall,
    [switch]$Yes,
    [switch]$DryRun,
    [switch]$Json,
    [switch]$Quiet,
    [switch]$Verbose,
    [switch]$Version,
    [switch]$Help
)

# --- facts ------------------------------------------------------------------------------------------------------------

$StartArguments = @($args | Where-Object { $_ -ne '--' })
$ImJoyVersion = '0.12.0'
$Floor = [Version]'3.10'
# Those that the tests run on, best first; any other from the floor up is taken when none of these is there.
$PreferredPythons = '3.13', '3.12', '3.11', '3.10'
$ProjectUrl = 'https://github.com/oeway/ImJoy-Engine'
$ImJoyMiB = 300
$VenvMiB = 400
$LittleMemoryMiB = 2000
$CondaPython = '3.13'
$LongestCondaPrefix = 100
$WithoutConda = 'without a conda, plugins that name conda packages or another Python will not find one'
$ConnectSeconds = 15
$StallSeconds = 30
$DownloadAttempts = 4
$BytesPerMiB = 1048576
$EnvironmentName = 'imjoy'
$CheckoutParts = 'setup.py', 'pyproject.toml', 'MANIFEST.in', 'README.md', 'LICENSE', 'bootstrap', 'engine'

# The same in install.sh, install.ps1 and imjoy.
$ExitCodes = @{ Done = 0; Failed = 1; Usage = 2; Refused = 3; Network = 4; Checksum = 6; Locked = 7; OurBug = 70; Interrupted = 130 }

# What Windows PowerShell hands to a program loses its double quotes, so there are none in these.
$ProbePython = @'
import sys
missing = ''
try:
    import ensurepip, venv
except ImportError:
    missing = 'venv'
print('%d.%d.%d' % sys.version_info[:3])
print(missing)
print(getattr(sys, '_base_executable', None) or sys.executable)
'@

# Fails unless every file of imjoy is there and everything that it requires fits.
$ProbeInstalled = @'
import csv, sys
from importlib.metadata import distribution, version
from packaging.requirements import Requirement
imjoy = distribution('imjoy')
whole = all(imjoy.locate_file(row[0]).exists() for row in csv.reader(imjoy.read_text('RECORD').splitlines()))
needed = [Requirement(line) for line in imjoy.requires]
needed = [one for one in needed if one.marker is None or one.marker.evaluate({'extra': ''})]
fits = all(one.specifier.contains(version(one.name), prereleases=True) for one in needed)
sys.exit(not (whole and fits))
'@

# Run in the Python of the prefix with the wheel's path: the wheel installs itself, by uv or by pip.
$InstallPackages = @'

import sys
sys.path.insert(0, sys.argv[1])
from imjoy.provision.packages import main
sys.exit(main(sys.argv[1:]))

'@

# --- installers: written by .ci/installer-tables from installers.json, do not edit
$VenvParts = 'bin', 'include', 'lib', 'lib64', 'share', 'pyvenv.cfg', '.gitignore', '.lock', 'Include', 'Lib',
    'Scripts'
$CondaParts = 'bin', 'include', 'lib', 'lib64', 'share', 'pyvenv.cfg', '.gitignore', '.lock', 'Include', 'Lib',
    'Scripts', '.condarc', '.messages.txt', '.nonadmin', 'LICENSE.txt', '_conda', '_conda.exe', 'cmake',
    'compiler_compat', 'conda-meta', 'condabin', 'construct.yaml', 'envs', 'etc', 'install.log', 'man', 'mkspecs',
    'pkgs', 'plugins', 'sbin', 'shell', 'ssl', 'var', 'x86_64-conda-linux-gnu', 'x86_64-conda_cos6-linux-gnu',
    'Library', 'DLLs', 'aarch64-conda-linux-gnu', 'Menu', 'Tools', 'libs', 'python.exe', 'pythonw.exe',
    'Uninstall-Miniconda3.exe', 'Uninstall-Miniforge3.exe', 'conda.exe', 'pre_install.bat', '.installer'
$Installers = @{
    miniconda = @{
        Title = 'Miniconda'
        Version = 'py314_26.7.1-1'
        Base = 'https://repo.anaconda.com/miniconda/'
        File = 'Miniconda3-py314_26.7.1-1-Windows-x86_64.exe'
        Sha256 = '27f1f8ae8c27bc22bbc383b84bf08c63a20a6e190f3975f3502625b1045330b2'
        WindowsBuild = 17763
        NeededMiB = 564
    }
    miniforge = @{
        Title = 'Miniforge'
        Version = '26.7.2-0'
        Base = 'https://github.com/conda-forge/miniforge/releases/download/26.7.2-0/'
        File = 'Miniforge3-26.7.2-0-Windows-x86_64.exe'
        Sha256 = '71cf9519087be74fa53021219ff292beb2fc05fa49e0bb6eb0e0b6b14fccbaab'
        WindowsBuild = 17763
        NeededMiB = 564
    }
}
# --- end of installers

# --- words ------------------------------------------------------------------------------------------------------------

function Say([string]$Text) {
    if (-not $Quiet) { [Console]::Error.WriteLine($Text) }
}

function Warn([string]$Text) {
    [Console]::Error.WriteLine("warning: $Text")
}

# An error that a person can act on. It is thrown, so that nothing here ends the session.
function Stop-Install([string]$Id, [int]$Code, [string]$What, [string]$Fix) {
    $failure = New-Object System.Exception $What
    $failure.Data['Id'] = $Id
    $failure.Data['Code'] = $Code
    $failure.Data['Fix'] = $Fix
    throw $failure
}

function Stop-Usage([string]$What) {
    Stop-Install 'usage.wrong' $ExitCodes.Usage $What 'powershell -File install.ps1 -Help lists what there is'
}

# Something that stands in the way; all of them are told together.
function Add-Problem([string]$Id, [string]$What, [string]$Fix) {
    [void]$State.Problems.Add([ordered]@{ id = $Id; what = $What; fix = $Fix })
}

function Add-Notice([string]$Text) {
    [void]$State.Notices.Add($Text)
}

# True for yes. Where nobody can be asked, and for an empty answer, it is the default.
function Confirm-Choice([string]$Question, [bool]$Default) {
    if ($Yes) { return $true }
    $choice = '[y/N]'
    if ($Default) { $choice = '[Y/n]' }
    $answer = ''
    if ([Environment]::UserInteractive -and -not [Console]::IsInputRedirected) { $answer = Read-Host "$Question $choice" }
    if (-not $answer) { return $Default }
    return $answer -match '^[yY]'
}

# Run a program and return what it prints, or nothing when it fails. With Stop, Windows PowerShell would take the first
# line on stderr for a failure.
function Get-Output([string]$Program, [string[]]$Words) {
    $ErrorActionPreference = 'Continue'
    try { $said = & $Program @Words 2>$null } catch { return $null }
    if ($LASTEXITCODE -ne 0) { return $null }
    return , @($said | ForEach-Object { "$_" })
}

# --- options ----------------------------------------------------------------------------------------------------------

function Write-Help {
    Write-Output @'
Installs imjoy, which runs native Python plugins for the ImJoy app.

usage: powershell -File install.ps1 [options] [-- arguments for imjoy start]

It makes one folder with a Python, conda and imjoy, and edits nothing else: no
PATH (unless -ModifyPath), no other Python, no other conda.

options:
  -Prefix DIR    the folder (default: IMJOY_PREFIX, else ImJoyApp in your home)
  -Distribution auto|miniconda|miniforge|existing|venv
                 where its Python comes from (default: IMJOY_DISTRIBUTION, else
                 auto: a conda that is here, else Miniconda, else Miniforge,
                 else a Python that is here)
  -From SOURCE   what to install: a checkout's folder, a wheel, or a git url
                 (default: the checkout that this script stands in, else
                 git+https://github.com/oeway/ImJoy-Engine)
  -Mirror URL    where the installers of conda lie instead
                 (default: IMJOY_MIRROR)
  -Offline DIR   take the installer and all wheels from this folder
  -Installer FILE -Sha256 HASH
                 run this installer of Miniconda or Miniforge
  -ModifyPath    also put imjoy on PATH for good: imjoy path --apply
  -Start         afterwards start the engine and open the app in a browser
  -Uninstall     take away what was installed, also when its Python is broken
  -Yes           do not ask; take yes for an answer
  -DryRun        look, print the plan, change nothing
  -Json          print the plan or the result as JSON, on stdout
  -Quiet         print errors and warnings only
  -Verbose       show what the steps print
  -Version       print the version of imjoy that this script belongs to
  -Help          print this

exit codes: 0 done; 1 failed; 2 usage; 3 something is in the way, nothing was
changed; 4 network needed and not there, nothing was changed; 6 a download is
not what it should be; 7 another install is at work; 70 a bug of ours; 130
interrupted.

Run it again at any time: it finishes what was interrupted, repairs, brings up
to date, or finds nothing to do.
'@
}

function Test-Options {
    if ($State.Wish -notin 'auto', 'miniconda', 'miniforge', 'existing', 'venv') {
        Stop-Usage "-Distribution is auto, miniconda, miniforge, existing or venv, not $($State.Wish)"
    }
    $unknown = @($StartArguments | Where-Object { $_ -match '^-[A-Za-z]' })
    if ($StartArguments.Count -gt 0 -and -not $Start) {
        if ($unknown.Count -gt 0) { Stop-Usage "$($unknown[0]) is not an option" }
        Stop-Usage 'arguments after -- go to imjoy start, and -Start was not given'
    }
    if ($Sha256) {
        if ($Sha256 -notmatch '^[0-9a-fA-F]*$') { Stop-Usage '-Sha256 wants 64 hexadecimal digits' }
        if ($Sha256.Length -ne 64) { Stop-Usage "-Sha256 wants 64 hexadecimal digits, and got $($Sha256.Length)" }
        if (-not ($Installer -or $Mirror -or $Offline)) { Stop-Usage '-Sha256 goes with -Installer, -Mirror or -Offline' }
    }
    if ($Installer) {
        if (-not $Sha256) { Stop-Usage '-Installer needs -Sha256' }
        if (-not (Test-Path -LiteralPath $Installer -PathType Leaf)) { Stop-Usage "there is no file $Installer" }
        if ($State.Wish -notin 'miniconda', 'miniforge') { Stop-Usage '-Installer wants -Distribution miniconda or miniforge' }
    }
    if ($Offline -and -not (Test-Path -LiteralPath $Offline -PathType Container)) { Stop-Usage "there is no folder $Offline" }
}

# --- looking at the machine: changes nothing --------------------------------------------------------------------------

function Find-Machine {
    if ([Environment]::OSVersion.Platform -ne 'Win32NT') {
        Add-Problem 'host.system' 'this script knows Windows, and this is another system' "curl -fsSL $ProjectUrl/raw/HEAD/install.sh | bash"
        return
    }
    $State.Build = [Environment]::OSVersion.Version.Build
    if ("$env:PROCESSOR_ARCHITECTURE$env:PROCESSOR_ARCHITEW6432" -match 'ARM64') {
        Add-Notice 'this is Windows on ARM; the build for x86-64 is installed all the same'
    }
    try {
        $memory = [int]((Get-CimInstance Win32_ComputerSystem).TotalPhysicalMemory / $BytesPerMiB)
        if ($memory -lt $LittleMemoryMiB) { Add-Notice "this machine has $memory MiB of memory; plugins may want more" }
    } catch { Write-Debug "$_" }
    $me = New-Object Security.Principal.WindowsPrincipal ([Security.Principal.WindowsIdentity]::GetCurrent())
    if ($me.IsInRole([Security.Principal.WindowsBuiltInRole]::Administrator)) {
        Add-Notice 'you are root: what is installed belongs to root'
    }
}

# Everything of an install lies in the environment. It is the prefix, or, with a conda that was there before, its environment
# `imjoy`, which the prefix is then a junction to.
function Use-Environment([string]$Folder) {
    $State.Environment = $Folder
    $State.Ours = Join-Path $Folder '.imjoy'
    $State.Lock = Join-Path $State.Ours 'install.lock'
}

# The folder that a junction or link names, or nothing for anything else.
function Get-LinkTarget([string]$Path) {
    $item = Get-Item -LiteralPath $Path -Force -ErrorAction SilentlyContinue
    if ($item -and $item.LinkType) { return "$(@($item.Target)[0])" }
    return ''
}

# new, unfinished (an interrupted first install), interrupted (an interrupted change of a finished one), installed, foreign
function Get-Standing([string]$Folder) {
    $mark = Join-Path $Folder '.imjoy\incomplete'
    if (Test-Path -LiteralPath $mark) { return "$(Get-Content -LiteralPath $mark -TotalCount 1)".Trim() }
    if (Test-Path -LiteralPath (Join-Path $Folder '.imjoy\receipt.json')) { return 'installed' }
    $inside = @(Get-ChildItem -LiteralPath $Folder -Force -ErrorAction SilentlyContinue | ForEach-Object { $_.Name })
    if ($inside.Count -eq 0 -or ($inside.Count -eq 1 -and $inside[0] -eq '.imjoy')) { return 'new' }
    return 'foreign'
}

function Find-Prefix {
    $State.Prefix = Join-Path $HOME 'ImJoyApp'
    if ($Prefix) { $State.Prefix = $ExecutionContext.SessionState.Path.GetUnresolvedProviderPathFromPSPath($Prefix).TrimEnd('\') }
    $folder = $State.Prefix
    $State.Standing = 'unusable'
    Use-Environment $folder
    if ($folder -match '[;"%$`]') {
        Add-Problem 'prefix.name' "$folder holds a character that a PATH or a shell line cannot carry" 'choose a folder without ; " % $ ` in its name: -Prefix DIR'
        return
    }
    $target = Get-LinkTarget $folder
    if ($target -and (Test-Path -LiteralPath $target -PathType Container)) { Use-Environment $target }
    if ((Test-Path -LiteralPath $folder) -and -not (Test-Path -LiteralPath $folder -PathType Container)) {
        Add-Problem 'prefix.not_a_folder' "$folder is there and is not a folder" 'choose another: -Prefix DIR'
        return
    }
    $State.Standing = Get-Standing $folder
    if ($State.Standing -eq 'foreign') {
        Add-Problem 'prefix.foreign' "$folder holds files that this script did not put there" 'choose another folder: -Prefix DIR'
    }
    Test-Writable (Get-Nearest $folder)
}

function Get-Nearest([string]$Folder) {
    while ($Folder -and -not (Test-Path -LiteralPath $Folder)) { $Folder = Split-Path -Parent $Folder }
    return $Folder
}

# Windows' permissions cannot be read off; a file that is made and goes at once tells.
function Test-Writable([string]$Folder) {
    if (-not $Folder) {
        Add-Problem 'prefix.unwritable' "$($State.Prefix) cannot be made: there is no such drive" 'choose another folder: -Prefix DIR'
        return
    }
    $trial = Join-Path $Folder ".imjoy-trial-$PID"
    try {
        [IO.File]::Create($trial, 1, [IO.FileOptions]::DeleteOnClose).Dispose()
    } catch {
        Add-Problem 'prefix.unwritable' "$($State.Prefix) cannot be made, because $Folder cannot be written to" 'choose another folder: -Prefix DIR'
    }
}

function Test-Disk {
    $needed = $VenvMiB + $ImJoyMiB
    if ($State.Url) {
        $needed = $State.Table.NeededMiB + $ImJoyMiB
        if ($State.RemoteBytes -gt 0) { $needed += [int]($State.RemoteBytes / $BytesPerMiB) }
    }
    if ($State.Standing -ne 'new') { return }
    $there = Get-Nearest $State.Environment
    try { $free = [int64]((New-Object IO.DriveInfo ([IO.Path]::GetPathRoot($there))).AvailableFreeSpace / $BytesPerMiB) } catch { return }
    if ($free -lt $needed) {
        Add-Problem 'host.disk' "$there has $free MiB free, and $needed MiB are needed" 'make room, or choose another disk: -Prefix DIR'
    }
}

function Get-Python([string]$Folder) {
    $inside = Join-Path $Folder 'Scripts\python.exe'
    if (Test-Path -LiteralPath $inside) { return $inside }
    return Join-Path $Folder 'python.exe'
}

function Test-EnvironmentWorks {
    $python = Get-Python $State.Environment
    return (Test-Path -LiteralPath $python) -and $null -ne (Get-Output $python @('-I', '-B', '-m', 'pip', '--version'))
}

function Test-Works {
    return $null -ne (Get-Output (Get-Python $State.Environment) @('-I', '-B', '-c', $ProbeInstalled))
}

# The launcher of python.org knows them all; else what is on PATH.
function Find-Python {
    $old = ''
    $candidates = @($PreferredPythons | ForEach-Object { , @('py', "-$_") }) + , @('py', '-3') + , @('python') + , @('python3')
    foreach ($candidate in $candidates) {
        if (-not (Get-Command $candidate[0] -ErrorAction SilentlyContinue)) { continue }
        $words = @($candidate | Select-Object -Skip 1) + '-E', '-s', '-c', $ProbePython
        $answer = Get-Output $candidate[0] $words
        if ($null -eq $answer -or $answer.Count -lt 3) { continue }
        if ([Version]$answer[0] -lt $Floor) {
            $old = "Python $($answer[0]) ($($answer[2]))"
            continue
        }
        if ($answer[1].Trim()) { continue }
        $State.Python = $answer[2].Trim()
        $State.PythonVersion = $answer[0].Trim()
        return
    }
    $best = 'there is none on PATH'
    if ($old) { $best = "the best here is $old" }
    Add-Problem 'host.python' "imjoy needs Python $Floor or newer, and $best" 'install one from https://www.python.org/downloads/'
}

function Find-Conda {
    $State.Conda = ''
    $candidates = @($env:CONDA_EXE) + @(Get-Command conda.exe -All -ErrorAction SilentlyContinue | ForEach-Object { $_.Source })
    foreach ($place in $HOME, $env:LOCALAPPDATA, $env:ProgramData) {
        foreach ($name in 'miniconda3', 'miniforge3', 'mambaforge', 'anaconda3') {
            if ($place) { $candidates += Join-Path $place "$name\Scripts\conda.exe" }
        }
    }
    foreach ($candidate in $candidates) {
        if (-not $candidate -or -not (Test-Path -LiteralPath $candidate)) { continue }
        if ($candidate.StartsWith("$($State.Prefix)\") -or $candidate.StartsWith("$($State.Environment)\")) { continue }
        $said = Get-Output $candidate @('-V')
        if ("$said" -match '^conda (\d\S*)') {
            $State.Conda = $candidate
            $State.CondaVersion = $Matches[1]
            return
        }
    }
}

# Where that conda keeps its environment `imjoy`: in the first of its folders that can be written to.
function Find-Environment {
    $said = Get-Output $State.Conda @('info', '--json')
    try { $folders = @(($said -join "`n" | ConvertFrom-Json).envs_dirs) } catch { return '' }
    if ($folders.Count -eq 0) { return '' }
    return Join-Path $folders[0] $EnvironmentName
}

# Why conda cannot live in a folder of this name, or nothing.
function Get-NameProblem([string]$Folder) {
    if ($Folder.Contains(' ')) { return "conda cannot live in a folder with spaces in its name: $Folder" }
    if ($Folder -match '[^\x20-\x7e]') { return "conda cannot live in a folder with letters beyond ASCII in its name: $Folder" }
    if ($Folder.Length -gt $LongestCondaPrefix) { return "conda cannot live in a folder whose name is $($Folder.Length) characters long" }
    return ''
}

function Get-InstallerUrl($Table) {
    if ($Mirror) { return "$($Mirror.TrimEnd('/'))/$($Table.File)" }
    return "$($Table.Base)$($Table.File)"
}

# Why a distribution cannot be had here, or nothing; sets RemoteBytes where a server tells the size.
function Get-Hindrance($Table) {
    $State.RemoteBytes = 0
    if (-not [Environment]::Is64BitOperatingSystem) { return "$($Table.Title) has no build for this machine" }
    if ($State.Build -lt $Table.WindowsBuild) { return "$($Table.Title) needs Windows build $($Table.WindowsBuild), and this is $($State.Build)" }
    if ($Installer) { return '' }
    if ($Offline) {
        if (Test-Path -LiteralPath (Join-Path $Offline $Table.File)) { return '' }
        return "$Offline does not hold $($Table.File)"
    }
    try {
        $answer = Invoke-WebRequest -UseBasicParsing -Method Head -Uri (Get-InstallerUrl $Table) -TimeoutSec $ConnectSeconds
        $State.RemoteBytes = [int64]"$(@($answer.Headers['Content-Length'])[0])"
        return ''
    } catch {
        return "$(Get-InstallerUrl $Table) cannot be reached"
    }
}

# Where the prefix's Python comes from. For what is installed already the receipt says it.
function Find-Distribution {
    $wish = $State.Wish
    if ($State.Standing -in 'installed', 'interrupted') {
        $known = Get-ReceiptValue 'distribution'
        if (-not $known) { $known = 'venv' }
        if (Test-EnvironmentWorks) {
            $State.Distribution = $known
            $State.Why = 'it is what the prefix has'
            if ($wish -notin 'auto', $known) { Add-Notice "the prefix has $known; -Distribution chooses for a new one" }
            return
        }
        $wish = $known
    }
    if ($wish -eq 'venv') { Use-ThisPython 'it was asked for'; return }
    $reason = Get-NameProblem $State.Prefix
    if ($wish -notin 'auto', 'existing' -and $reason) {
        Add-Problem 'prefix.conda' $reason '-Prefix C:\ImJoyApp, or -Distribution venv'
        $State.Distribution = $wish
        return
    }
    if ($wish -in 'auto', 'existing' -and (Use-ExistingConda $wish)) { return }
    if ($reason) {
        Add-Notice $reason
        Use-ThisPython 'conda cannot live in this prefix'
        return
    }
    foreach ($name in 'miniconda', 'miniforge') {
        if ($wish -notin 'auto', $name) { continue }
        $table = $Installers[$name]
        $reason = Get-Hindrance $table
        if (-not $reason) {
            $State.Distribution = $name
            $State.Table = $table
            $State.Why = 'it brings a Python and a conda of its own'
            $State.Url = Get-InstallerUrl $table
            return
        }
        Add-Notice $reason
        if ($wish -ne 'auto') {
            $id = 'host.unsuited'
            $fix = '-Distribution venv or existing'
            if ($reason -match 'cannot be reached$|does not hold') { $id = 'network.installer'; $fix = 'look at the network, or -Distribution venv' }
            Add-Problem $id $reason $fix
            $State.Distribution = $name
            return
        }
    }
    Use-ThisPython 'neither Miniconda nor Miniforge can be had'
}

# True when the question is settled: it will be used, or its absence is a problem.
function Use-ExistingConda([string]$Wish) {
    Find-Conda
    $folder = ''
    if ($State.Conda) { $folder = Find-Environment }
    if (-not $folder) {
        if ($Wish -ne 'existing') { return $false }
        Add-Problem 'conda.none' 'there is no conda that works' '-Distribution miniconda brings one'
        $State.Distribution = 'existing'
        return $true
    }
    $standing = Get-Standing $folder
    if ($State.Standing -in 'installed', 'interrupted') { $folder = $State.Environment; $standing = $State.Standing }
    if ($standing -eq 'foreign') {
        $foreign = "$folder is an environment that no install of imjoy made"
        $State.Conda = ''
        if ($Wish -eq 'auto') { Add-Notice $foreign; return $false }
        Add-Problem 'conda.foreign' $foreign "-Distribution miniconda, or, if nobody needs it: conda env remove --prefix $folder"
        $State.Distribution = 'existing'
        return $true
    }
    $question = "There is a conda $($State.CondaVersion): $($State.Conda)`nShall it make the environment $folder for imjoy? It is not changed itself."
    if ($Wish -eq 'auto' -and -not $DryRun -and -not $Json -and -not (Confirm-Choice $question $true)) {
        $State.Conda = ''
        return $false
    }
    $State.Distribution = 'existing'
    $State.Why = "conda $($State.CondaVersion) is here: $($State.Conda)"
    Use-Environment $folder
    if ($standing -ne 'new') { $State.Standing = $standing }
    return $true
}

function Use-ThisPython([string]$Why) {
    $State.Distribution = 'venv'
    $State.Why = $Why
    Add-Notice $WithoutConda
    Find-Python
}

# What is to be installed, and its id, which differs when the source differs and is empty when that cannot be known.
function Find-Source {
    $place = $From
    if (-not $place -and $Offline) {
        # The pattern where there is none, so that this is what is missed.
        $wheels = @(Join-Path $Offline 'imjoy-*.whl') + @(Get-ChildItem -LiteralPath $Offline -Filter 'imjoy-*.whl' | ForEach-Object { $_.FullName })
        $place = $wheels[-1]
    }
    if (-not $place -and $PSCommandPath -and (Test-Checkout (Split-Path -Parent $PSCommandPath))) { $place = Split-Path -Parent $PSCommandPath }
    if (-not $place) { $place = "git+$ProjectUrl" }
    $State.Source = [ordered]@{ kind = 'unknown'; place = $place; id = '' }
    $State.Followed = $place
    if (Test-Path -LiteralPath $place -PathType Container) {
        $State.Source.place = (Resolve-Path -LiteralPath $place).ProviderPath
        $State.Followed = $State.Source.place
        if (Test-Checkout $place) {
            $State.Source.kind = 'checkout'
            $State.Source.id = "tree:$(Get-Fingerprint $State.Source.place)"
        } else {
            Add-Problem 'source.not_imjoy' "$place is not a checkout of imjoy" "git clone $ProjectUrl makes one"
        }
    } elseif ($place -match '^git\+(.*)$') {
        Find-Commit $Matches[1]
    } elseif ($place -match '^https://.*\.(whl|zip|tar\.gz)$') {
        $State.Source.kind = 'url'
    } elseif ($place -match '^(https|ssh|file)://') {
        Find-Commit $place
    } elseif ($place -like '*.whl' -and (Test-Path -LiteralPath $place -PathType Leaf)) {
        $State.Source.kind = 'wheel'
        $State.Source.place = (Resolve-Path -LiteralPath $place).ProviderPath
        $State.Followed = $State.Source.place
        $State.Source.id = "wheel:$((Get-FileHash -LiteralPath $place -Algorithm SHA256).Hash.ToLower())"
    } elseif ($place -like '*.whl') {
        $fix = "give a wheel, a checkout's folder or a git url: -From SOURCE"
        if ($Offline -and -not $From) { $fix = "where there is a network, this makes all wheels: py -3 -m pip wheel --wheel-dir DIR git+$ProjectUrl" }
        Add-Problem 'source.missing' "there is no file $place" $fix
    } else {
        Add-Problem 'source.missing' "$place is no folder, no wheel and no git url" 'give one of these: -From SOURCE'
    }
}

function Test-Checkout([string]$Folder) {
    return (Test-Path -LiteralPath (Join-Path $Folder 'pyproject.toml')) -and
    (Test-Path -LiteralPath (Join-Path $Folder 'bootstrap\imjoy\__init__.py'))
}

# The same number as install.sh and imjoy install count.
function Get-Fingerprint([string]$Folder) {
    $hashes = @{}
    foreach ($part in $CheckoutParts) {
        foreach ($file in Get-ChildItem -LiteralPath (Join-Path $Folder $part) -Recurse -File -Force) {
            $name = $file.FullName.Substring($Folder.TrimEnd('\').Length + 1).Replace('\', '/')
            if ($name -notmatch '\.py[co]$|\.egg-info/|__pycache__') {
                $hashes[$name] = (Get-FileHash -LiteralPath $file.FullName -Algorithm SHA256).Hash.ToLower()
            }
        }
    }
    $names = [string[]]$hashes.Keys
    [Array]::Sort($names, [StringComparer]::Ordinal)
    $text = -join ($names | ForEach-Object { "$($hashes[$_])  $_`n" })
    $stream = New-Object IO.MemoryStream (, [Text.Encoding]::UTF8.GetBytes($text))
    return (Get-FileHash -InputStream $stream -Algorithm SHA256).Hash.ToLower()
}

# Find the commit, so that exactly that one is installed and the next run knows whether it moved.
function Find-Commit([string]$Url) {
    $Url = ($Url -split '#')[0]
    $ref = 'HEAD'
    # An @ before the first slash of the path belongs to the server's name; a branch's name may have slashes.
    if ($Url -match '^.*?://[^/]*/[^@]*@(.+)$') {
        $ref = $Matches[1]
        $Url = $Url.Substring(0, $Url.Length - $ref.Length - 1)
    }
    $State.Source.kind = 'git'
    $State.Source.place = "git+$Url"
    if (-not (Get-Command git -ErrorAction SilentlyContinue)) {
        if ($Url -match '^https://github\.com/') {
            $State.Source.kind = 'url'
            $State.Source.place = "$($Url -replace '\.git$', '')/archive/$ref.zip"
        } else {
            Add-Problem 'host.git' "git is not here, and $Url needs it" 'install git, or give a wheel: -From FILE'
        }
        return
    }
    if ($ref -match '^[0-9a-f]{40}$') { $State.Source.id = "commit:$ref"; return }
    $answer = Get-Output 'git' @('-c', 'http.lowSpeedLimit=1', '-c', 'http.lowSpeedTime=15', 'ls-remote', $Url, $ref, "refs/tags/$ref^{}")
    if ($null -eq $answer) {
        $State.Unreachable = "git ls-remote $Url failed"
        return
    }
    $commits = @($answer | Where-Object { $_ -match '^[0-9a-f]{40}\s' } | ForEach-Object { $_.Substring(0, 40) })
    if ($commits.Count -gt 0) { $State.Source.id = "commit:$($commits[-1])" }
    else { Add-Problem 'source.missing' "$Url has no branch, tag or commit $ref" "git ls-remote $Url lists what there is" }
}

function Get-ReceiptValue([string]$Name) {
    try { return "$((Get-Content -Raw -LiteralPath (Join-Path $State.Ours 'receipt.json') | ConvertFrom-Json).$Name)" } catch { return '' }
}

# --- the plan ---------------------------------------------------------------------------------------------------------

# Sets Action to install, finish, upgrade, repair, none or refuse.
function Set-Plan {
    $State.Action = 'refuse'
    switch ($State.Standing) {
        'new' { $State.Action = 'install' }
        'unfinished' { $State.Action = 'finish' }
        'interrupted' { $State.Action = 'repair' }
        'installed' {
            $same = $State.Source.id -and (Get-ReceiptValue 'source_id') -eq $State.Source.id
            if (-not (Test-Works)) { $State.Action = 'repair' }
            elseif (-not (Test-Path -LiteralPath $State.Prefix)) { $State.Action = 'upgrade' }
            elseif ($State.Unreachable) {
                $State.Action = 'none'
                Add-Notice "$($State.Source.place -replace '^git\+', '') could not be asked for a newer one"
            } elseif ($same) { $State.Action = 'none' }
            else { $State.Action = 'upgrade' }
        }
    }
    if ($State.Unreachable -and $State.Action -ne 'none' -and $State.Problems.Count -eq 0) {
        Stop-Install 'network.source' $ExitCodes.Network "$($State.Source.place -replace '^git\+', '') cannot be reached, and nothing was changed" $State.Unreachable
    }
    if ($State.Problems.Count -gt 0) { $State.Action = 'refuse' }
}

# The steps of the plan, in the words of the progress lines.
function Get-Steps {
    if ($State.Action -in 'install', 'finish') {
        switch ($State.Distribution) {
            'venv' { 'make the environment' }
            'existing' { 'have conda make the environment' }
            default { "download $($State.Table.Title)"; "install $($State.Table.Title)" }
        }
        if ($State.Source.kind -ne 'wheel') { 'build imjoy' }
        'install imjoy and what it needs'
        'check that it answers'
    } elseif ($State.Action -in 'upgrade', 'repair') {
        if (-not (Test-EnvironmentWorks)) { 'make the environment again' }
        if ($State.Source.kind -ne 'wheel') { 'build imjoy' }
        'install imjoy and what it needs again'
        'check that it answers'
    }
}

function Get-PlanJson {
    $environment = ''
    if ($State.Environment -ne $State.Prefix) { $environment = $State.Environment }
    $plan = [ordered]@{
        schema = 1; kind = 'plan'; version = $ImJoyVersion; action = $State.Action; prefix = $State.Prefix
        python = [ordered]@{ path = $State.Python; version = $State.PythonVersion }
        distribution = [ordered]@{ name = $State.Distribution; why = $State.Why; url = $State.Url; conda = $State.Conda; environment = $environment }
        notices = @($State.Notices); source = $State.Source; steps = @(Get-Steps); problems = @($State.Problems)
    }
    return $plan | ConvertTo-Json -Depth 6 -Compress
}

function Get-PlanText {
    switch ($State.Action) {
        'install' { 'Install imjoy' }
        'finish' { 'Finish an interrupted install of imjoy' }
        'upgrade' { 'Bring imjoy up to date' }
        'repair' { 'Repair imjoy' }
        'none' { 'Look at imjoy' }
    }
    "  into  $($State.Prefix)"
    "  from  $($State.Source.place)"
    if ($State.Distribution -eq 'existing') {
        "  with  conda $($State.CondaVersion) ($($State.Conda))"
        "  in    $($State.Environment), which $($State.Prefix) is a link to"
    } elseif ($State.Table) {
        "  with  $($State.Table.Title) $($State.Table.Version)"
    } elseif ($State.Python) {
        "  with  Python $($State.PythonVersion) ($($State.Python))"
    } else {
        "  with  its $($State.Distribution)"
    }
    foreach ($notice in $State.Notices) { "  note  $notice" }
}

function Write-Plan {
    if ($Json) { Write-Output (Get-PlanJson); return }
    Get-PlanText | Write-Output
    Write-Output ''
    if ($State.Action -eq 'none') { Write-Output 'Nothing to do: it is installed and works.' }
    else { Write-Output 'Steps:'; Get-Steps | ForEach-Object { Write-Output "  - $_" } }
}

function Stop-Refused {
    if ($Json) { Write-Output (Get-PlanJson) }
    $code = $ExitCodes.Network
    foreach ($problem in $State.Problems) { if ($problem.id -notlike 'network.*') { $code = $ExitCodes.Refused } }
    $State.Told = $true
    [Console]::Error.WriteLine('error: imjoy cannot be installed here yet, and nothing was changed:')
    foreach ($problem in $State.Problems) { [Console]::Error.WriteLine("`n  $($problem.what)`n    $($problem.fix)") }
    Stop-Install 'install.refused' $code 'imjoy cannot be installed here yet, and nothing was changed' ''
}

# --- the lock: a folder, because making one is atomic; install.sh and imjoy install use the same ------------------------

# Who a process is, so that a number used again is not taken for it.
function Get-Identity([int]$Id) {
    $process = Get-Process -Id $Id -ErrorAction SilentlyContinue
    if (-not $process) { return '' }
    $epoch = [DateTime]::new(1970, 1, 1, 0, 0, 0, [DateTimeKind]::Utc)
    $started = [int64][Math]::Floor(($process.StartTime.ToUniversalTime() - $epoch).TotalSeconds)
    return "$Id $([Environment]::MachineName) $started"
}

# The number of the live process that holds the lock, or nothing.
function Get-LockHolder {
    for ($try = 0; $try -lt 10 -and (Test-Path -LiteralPath $State.Lock); $try++) {
        $owner = "$(Get-Content -LiteralPath (Join-Path $State.Lock 'owner') -ErrorAction SilentlyContinue)"
        if ($owner) { break }
        Start-Sleep -Milliseconds 100
    }
    $number = ("$owner" -split ' ')[0]
    if ($number -match '^\d+$' -and (Get-Identity ([int]$number)) -eq $owner) { return $number }
    return ''
}

function Stop-WhenLocked {
    $holder = Get-LockHolder
    if ($holder) {
        Stop-Install 'install.locked' $ExitCodes.Locked "another install into $($State.Prefix) is at work (process $holder)" 'wait until it is done, then run this again'
    }
}

function Enter-Lock {
    for ($try = 0; $try -lt 5; $try++) {
        New-Item -ItemType Directory -Force -Path $State.Ours | Out-Null
        if (New-Item -ItemType Directory -Path $State.Lock -ErrorAction SilentlyContinue) {
            [IO.File]::WriteAllText((Join-Path $State.Lock 'owner'), (Get-Identity $PID) + "`n")
            $State.Locked = $true
            return
        }
        Stop-WhenLocked
        # Renaming is atomic: of two that find the same dead lock, one gets it.
        $aside = "$($State.Lock).dead.$PID"
        try { [IO.Directory]::Move($State.Lock, $aside) } catch { continue }
        $step = "$(Get-Content -LiteralPath (Join-Path $aside 'step') -ErrorAction SilentlyContinue)"
        if ($step -match '^\d+$') { Stop-Tree ([int]$step) }
        Remove-Item -LiteralPath $aside -Recurse -Force -ErrorAction SilentlyContinue
    }
    Stop-Install 'install.lock_failed' $ExitCodes.Failed "the lock $($State.Lock) cannot be taken" 'remove that folder when nothing uses it'
}

function Exit-Lock {
    if ($State.Locked) { Remove-Item -LiteralPath $State.Lock -Recurse -Force -ErrorAction SilentlyContinue }
    $State.Locked = $false
}

# What a dead owner's last step left running; its number may have been given away since.
function Stop-Tree([int]$Id) {
    $command = "$((Get-CimInstance Win32_Process -Filter "ProcessId = $Id" -ErrorAction SilentlyContinue).CommandLine)"
    if ($command.Contains($State.Environment)) { & taskkill.exe /PID $Id /T /F 2>&1 | Out-Null }
}

# --- the steps --------------------------------------------------------------------------------------------------------

function Install-ImJoy {
    $State.MadeFolder = Get-MadeFolder
    Enter-Lock
    $State.Standing = Get-Standing $State.Environment
    Set-Plan
    if ($State.Action -eq 'refuse') { Stop-Refused }
    if ($State.Action -in 'install', 'finish') {
        $State.Undo = $true
        Set-Mark 'unfinished'
    } elseif (-not (Test-EnvironmentWorks)) {
        $question = "The Python in $($State.Prefix) is broken and has to be made anew; packages that you added to it go. Do it?"
        if (-not (Confirm-Choice $question $false)) {
            Stop-Install 'prefix.broken' $ExitCodes.Refused "the Python in $($State.Prefix) is broken and was left as it is" 'install.ps1 -Yes makes it anew; packages that you added to it go'
        }
        Set-Mark 'interrupted'
    }
    $State.Log = Join-Path $State.Ours 'install.log.new'
    [IO.File]::WriteAllText($State.Log, "imjoy $ImJoyVersion, $($State.Action), $($State.Distribution), $(Get-Date -Format s)`n")
    Connect-Prefix
    $stage = Join-Path $State.Ours 'stage'
    Remove-Item -LiteralPath $stage -Recurse -Force -ErrorAction SilentlyContinue
    # Programs are run from there, which some machines forbid in the usual place.
    New-Item -ItemType Directory -Force -Path (Join-Path $stage 'tmp') | Out-Null
    $env:TEMP = Join-Path $stage 'tmp'
    $env:TMP = $env:TEMP
    Install-Environment $stage
    $wheel = New-Wheel $stage
    Install-Wheel $wheel
    if (-not (Test-Works)) { Stop-Step 'install.silent' "imjoy is installed in $($State.Prefix), but does not answer" }
    Complete-Install
    Move-Item -Force -LiteralPath $State.Log -Destination (Join-Path $State.Ours 'install.log')
    $State.Log = ''
    $State.Undo = $false
}

# The topmost folder that this run makes, so that a first install that fails leaves nothing behind.
function Get-MadeFolder {
    # The one before, which was killed, may have begun.
    $made = "$(@(Get-Content -LiteralPath (Join-Path $State.Ours 'incomplete') -ErrorAction SilentlyContinue)[1])"
    $folder = $State.Prefix
    while ($folder -and -not (Test-Path -LiteralPath $folder)) { $made = $folder; $folder = Split-Path -Parent $folder }
    return $made
}

# What the next run finds when this one is killed; see Get-Standing.
function Set-Mark([string]$Standing) {
    [IO.File]::WriteAllText((Join-Path $State.Ours 'incomplete'), "$Standing`n$($State.MadeFolder)`n")
}

# Makes the prefix name the environment of a conda that was there before; what an unfinished install left gives way.
function Connect-Prefix {
    if ($State.Environment -eq $State.Prefix) { return }
    $target = Get-LinkTarget $State.Prefix
    if ($target -eq $State.Environment) { return }
    if ($target -and -not (Test-Path -LiteralPath $target)) {
        [IO.Directory]::Delete($State.Prefix)
    } elseif (Test-Path -LiteralPath $State.Prefix) {
        if (Test-Path -LiteralPath (Join-Path $State.Prefix '.imjoy\incomplete')) { Remove-Parts $State.Prefix (Get-Parts 'miniconda') }
        Remove-Parts $State.Prefix @('.imjoy')
        if (-not (Get-ChildItem -LiteralPath $State.Prefix -Force)) { [IO.Directory]::Delete($State.Prefix) }
    }
    try {
        New-Item -ItemType Junction -Path $State.Prefix -Target $State.Environment | Out-Null
    } catch {
        Stop-Install 'prefix.foreign' $ExitCodes.Refused "$($State.Prefix) cannot become a link to $($State.Environment)" 'choose another folder: -Prefix DIR'
    }
}

function Install-Environment([string]$Stage) {
    if (-not $State.Undo -and (Test-EnvironmentWorks)) { return }
    Remove-Parts $State.Environment (Get-Parts $State.Distribution)
    switch ($State.Distribution) {
        'venv' {
            if (-not (Invoke-Step 'making the environment' $State.Python @('-m', 'venv', '--prompt', 'imjoy', $State.Environment))) {
                Stop-Step 'environment.failed' "Python $($State.PythonVersion) could not make an environment in $($State.Prefix)"
            }
        }
        'existing' {
            $words = @('create', '--yes', '--quiet', '--prefix', $State.Environment, '--no-default-packages', '--override-channels', '--channel', 'conda-forge')
            if ($Offline) { $words += '--offline' }
            if (-not (Invoke-Step 'having conda make the environment' $State.Conda ($words + "python=$CondaPython" + 'pip'))) {
                Stop-Step 'environment.failed' "$($State.Conda) could not make the environment $($State.Environment)"
            }
            [IO.File]::WriteAllText((Join-Path $State.Environment 'Scripts\conda.bat'), "@`"$($State.Conda)`" %*`r`n")
        }
        default { Install-Conda $Stage }
    }
    if (-not (Test-EnvironmentWorks)) { Stop-Step 'installer.failed' "the Python that was put into $($State.Prefix) does not run" }
}

function Install-Conda([string]$Stage) {
    $table = $State.Table
    $wanted = $table.Sha256
    if ($Sha256) { $wanted = $Sha256 }
    $file = $Installer
    if (-not $file -and $Offline) { $file = Join-Path $Offline $table.File }
    if (-not $file) {
        $file = Join-Path $Stage $table.File
        Measure-Step "downloading $($table.Title)" { Get-File $State.Url $file }
        $size = (Get-Item -LiteralPath $file).Length
        if ($State.RemoteBytes -gt 0 -and $size -ne $State.RemoteBytes) {
            Stop-Install 'download.checksum' $ExitCodes.Checksum "$file is not what it should be; nothing of it was used" "it has $size bytes, and the server spoke of $($State.RemoteBytes); try again, or another -Mirror"
        }
    }
    $found = (Get-FileHash -LiteralPath $file -Algorithm SHA256).Hash.ToLower()
    if ($found -ne $wanted.ToLower()) {
        Stop-Install 'download.checksum' $ExitCodes.Checksum "$file is not what it should be; nothing of it was used" "its SHA-256 is $found and has to be $wanted; try again, or another -Mirror"
    }
    Measure-Step "installing $($table.Title)" {
        # The installer takes everything behind /D= for the folder: last, and without quotes.
        $words = "/InstallationType=JustMe /AddToPath=0 /RegisterPython=0 /NoShortcuts=1 /S /D=$($State.Environment)"
        $process = Start-Process -FilePath $file -ArgumentList $words -Wait -PassThru
        if ($process.ExitCode -ne 0) {
            Stop-Step 'installer.failed' "the installer of $($table.Title) failed with $($process.ExitCode)"
        }
    }
}

# Download, tried again and gone on with where it broke; a server that stalls has failed. curl.exe comes with Windows 10 and
# resumes; the name without .exe is another command in Windows PowerShell.
function Get-File([string]$Url, [string]$Target) {
    $ErrorActionPreference = 'Continue'
    $protocols = '=https'
    if ($Url -like 'http://*') { $protocols = '=http,https' }
    $shown = '-sS'
    if (-not $Quiet -and [Environment]::UserInteractive -and -not [Console]::IsErrorRedirected) { $shown = '--progress-bar' }
    $words = @('-L', $shown, '--proto', $protocols, '--proto-redir', $protocols, '--tlsv1.2', '--max-redirs', '10')
    $words += @('--connect-timeout', "$ConnectSeconds", '--speed-limit', '1024', '--speed-time', "$StallSeconds", '--continue-at', '-', '--output', $Target, $Url)
    for ($attempt = 1; $attempt -le $DownloadAttempts; $attempt++) {
        if (Get-Command curl.exe -ErrorAction SilentlyContinue) {
            & curl.exe -f @words
            if ($LASTEXITCODE -eq 0) { return }
            # 33: the server cannot go on; 36: it has another file by now; 47: redirected in a circle.
            if ($LASTEXITCODE -in 33, 36) { Remove-Item -LiteralPath $Target -Force -ErrorAction SilentlyContinue }
            if ($LASTEXITCODE -eq 47) { break }
        } else {
            try { Invoke-WebRequest -UseBasicParsing -Uri $Url -OutFile $Target -TimeoutSec 600 -ErrorAction Stop; return } catch { Add-Log "$_" }
        }
        if ($attempt -lt $DownloadAttempts) { Start-Sleep -Seconds $attempt }
    }
    Stop-Install 'download.failed' $ExitCodes.Network "$Url could not be downloaded, and nothing was left behind" 'look at the network and HTTPS_PROXY, or use -Mirror URL or -Offline DIR'
}

# The wheel is built before anything that works is touched, and from a copy, as building writes beside the sources.
function New-Wheel([string]$Stage) {
    if ($State.Source.kind -eq 'wheel') { return $State.Source.place }
    $place = $State.Source.place
    if ($State.Source.kind -eq 'checkout') {
        $copy = Join-Path $Stage 'source'
        New-Item -ItemType Directory -Path $copy | Out-Null
        foreach ($part in $CheckoutParts) { Copy-Item -LiteralPath (Join-Path $place $part) -Destination $copy -Recurse }
        $place = $copy
    } elseif ($State.Source.kind -eq 'git') {
        $place = "$place@$($State.Source.id -replace '^commit:', '')"
    }
    $wheels = Join-Path $Stage 'wheels'
    $words = @('-I', '-m', 'pip', 'wheel', '--no-deps', '--wheel-dir', $wheels)
    if ($Offline) { $words += @('--no-index', '--find-links', $Offline) }
    if (-not (Invoke-Step 'building imjoy' (Get-Python $State.Environment) ($words + $place))) {
        Stop-Step 'source.build_failed' "imjoy could not be built from $($State.Source.place)"
    }
    $built = @(Get-ChildItem -LiteralPath $wheels -Filter 'imjoy-*.whl' | ForEach-Object { $_.FullName })
    if ($built.Count -eq 0) { Stop-Step 'source.not_imjoy' "$($State.Source.place) is not imjoy" }
    return $built[0]
}

function Install-Wheel([string]$Wheel) {
    $words = @('-I', '-c', $InstallPackages, $Wheel)
    if ($Offline) { $words += @('--offline', $Offline) }
    if (-not $State.Undo) {
        $words += '--again'
        Set-Mark 'interrupted'
    }
    if (-not (Invoke-Step 'installing imjoy and what it needs' (Get-Python $State.Environment) $words)) {
        Stop-Step 'install.failed' "imjoy could not be installed into $($State.Prefix)"
    }
}

# Run one step with its output in the log; true when it worked.
function Invoke-Step([string]$Title, [string]$Program, [string[]]$Words) {
    $ErrorActionPreference = 'Continue'
    $watch = [Diagnostics.Stopwatch]::StartNew()
    Say "  $Title"
    Add-Log "`n$ $Program $($Words -join ' ')"
    & $Program @Words 2>&1 | ForEach-Object {
        Add-Log "$_"
        if ($Verbose) { Say "$_" }
    }
    $worked = $LASTEXITCODE -eq 0
    Add-Time $Title $watch
    return $worked
}

function Measure-Step([string]$Title, [scriptblock]$Action) {
    $watch = [Diagnostics.Stopwatch]::StartNew()
    Say "  $Title"
    & $Action
    Add-Time $Title $watch
}

function Add-Log([string]$Text) {
    if ($State.Log) { [IO.File]::AppendAllText($State.Log, "$Text`n") }
}

function Add-Time([string]$Title, $Watch) {
    [void]$State.Times.Add(@{ Title = $Title; Seconds = $Watch.Elapsed.TotalSeconds })
}

# What took how long, and how much of it is neither the download nor the distribution's own installer.
function Write-Times {
    if (-not $Verbose -or $State.Times.Count -eq 0) { return }
    $total = 0.0
    $own = 0.0
    foreach ($each in $State.Times) {
        $total += $each.Seconds
        if ($each.Title -notmatch '^downloading|^installing Mini|make the environment$|making the environment') { $own += $each.Seconds }
    }
    Say "`nWhere the time went:"
    foreach ($each in $State.Times) { Say ('  {0,-44}{1,6:0.0} s {2,3:0} %' -f $each.Title, $each.Seconds, (100 * $each.Seconds / $total)) }
    Say ("  {0,-44}{1,6:0.0} s`n  {2,-44}{3,6:0.0} s" -f 'in all', $total, 'of that imjoy itself', $own)
}

# Tell a network that is not there from everything else, and say what state the prefix is in.
function Stop-Step([string]$Id, [string]$What) {
    $fix = 'run this again to finish it'
    if ($State.Undo) { $fix = 'nothing was left behind; mend what the log names and run this again' }
    $lines = @(Get-Content -LiteralPath $State.Log -Tail 60)
    foreach ($line in @($lines | Select-Object -Last 8)) { [Console]::Error.WriteLine("  | $line") }
    $network = 'NewConnectionError|NameResolutionError|getaddrinfo failed|ConnectTimeout|ReadTimeout|ProxyError|Could not resolve host|Connection refused|SSLError|CONNECTION FAILED'
    if (($lines -join "`n") -match $network) {
        Stop-Install 'network.index' $ExitCodes.Network "${What}: the network did not answer" $fix
    }
    Stop-Install $Id $ExitCodes.Failed $What $fix
}

# An argument as Windows PowerShell before 7.3 has to be given it for the program to get it whole.
function Get-Quoted([string]$Text) {
    if ($PSVersionTable.PSVersion -ge [Version]'7.3') { return $Text }
    return [regex]::Replace($Text, '(\\*)"', '$1$1\"')
}

# The second half is imjoy's own: the engine's first start, the receipt, PATH, what to do next.
function Complete-Install {
    $made = $State.MadeFolder
    if (-not $made) { $made = Get-ReceiptValue 'made_folder' }
    $conda = $State.Conda
    if (-not $conda) { $conda = Get-ReceiptValue 'conda' }
    $handed = [ordered]@{
        action = $State.Action; distribution = $State.Distribution; python = $State.Python; source = $State.Followed
        source_id = $State.Source.id; made_folder = $made; conda = $conda; notices = @($State.Notices)
    }
    $words = @('-I', '-m', 'imjoy', 'install', '--finish', (Get-Quoted ($handed | ConvertTo-Json -Compress)), '--prefix', $State.Prefix, '--shell', 'powershell')
    if ($Json) { $words += '--json' }
    if ($Quiet) { $words += '--quiet' }
    if ($ModifyPath) { $words += '--modify-path' }
    if ($Start) { $words += '--start' }
    $watch = [Diagnostics.Stopwatch]::StartNew()
    & (Get-Python $State.Environment) @words
    $code = $LASTEXITCODE
    Add-Time 'starting the engine once' $watch
    if ($code -eq 0) { return }
    # What failed after the receipt was written is no reason to take the install back.
    if (-not (Test-Path -LiteralPath (Join-Path $State.Ours 'incomplete'))) { $State.Undo = $false }
    $State.Told = $true
    Stop-Install 'install.unhealthy' $code 'imjoy was installed, but does not work yet' ''
}

# --- the end ----------------------------------------------------------------------------------------------------------

function Get-Parts([string]$Kind) {
    if ($Kind -eq 'venv') { return $VenvParts }
    # A Python of conda has its libraries beside itself there.
    return $CondaParts + '*.dll' + '*.pdb' + 'cwp.py' + 'LICENSE_PYTHON.txt'
}

function Remove-Parts([string]$Folder, [string[]]$Names) {
    Get-ChildItem -LiteralPath $Folder -Force -ErrorAction SilentlyContinue |
        Where-Object { Test-Named $_.Name $Names } |
        ForEach-Object { Remove-Item -LiteralPath $_.FullName -Recurse -Force -ErrorAction SilentlyContinue }
}

function Test-Named([string]$Name, [string[]]$Patterns) {
    foreach ($pattern in $Patterns) { if ($Name -like $pattern) { return $true } }
    return $false
}

# Runs at every end. A first install that did not finish is taken back whole; a change of a finished one stays marked.
function Undo-Install {
    $kept = ''
    if ($State.Log -and (Test-Path -LiteralPath $State.Log)) {
        $kept = Join-Path $State.Ours 'failed.log'
        if ($State.Undo) { $kept = Join-Path $State.LogFolder "imjoy-install-$PID.log" }
        # Credentials in urls have no place in a file that people paste into a report.
        $text = [IO.File]::ReadAllText($State.Log) -replace '://[^/@ ]*@', '://***@'
        [IO.File]::WriteAllText($kept, $text)
        Remove-Item -LiteralPath $State.Log -Force -ErrorAction SilentlyContinue
    }
    if ($State.Locked) { Remove-Parts $State.Ours @('stage') }
    if ($State.Undo) {
        Remove-Parts $State.Environment (Get-Parts $State.Distribution)
        Remove-Parts $State.Ours @('incomplete', 'receipt.json')
        Exit-Lock
        Remove-MadeFolders $State.MadeFolder
    }
    Exit-Lock
    return $kept
}

# Removes the empty prefix, or the junction and the empty environment that it names, and empty folders up to the topmost
# one that was made.
function Remove-MadeFolders([string]$Made) {
    Remove-WhenEmpty $State.Ours | Out-Null
    $folder = $State.Prefix
    if ($State.Environment -ne $State.Prefix) {
        if (Remove-WhenEmpty $State.Environment) { Remove-FromCondaList }
        if (Get-LinkTarget $folder) { [IO.Directory]::Delete($folder) }
        if ($folder -eq $Made) { return }
        $folder = Split-Path -Parent $folder
    }
    while ($Made -and $folder -and (Remove-WhenEmpty $folder) -and $folder -ne $Made) { $folder = Split-Path -Parent $folder }
}

function Remove-WhenEmpty([string]$Folder) {
    # Without recursion, so it fails for a folder that holds something.
    try { [IO.Directory]::Delete($Folder); return $true } catch { return $false }
}

# Takes the environment out of conda's list of all environments, as `conda env remove` does.
function Remove-FromCondaList {
    $file = Join-Path $HOME '.conda\environments.txt'
    if (-not (Test-Path -LiteralPath $file)) { return }
    $lines = [IO.File]::ReadAllLines($file)
    $kept = @($lines | Where-Object { $_ -ne $State.Environment })
    if ($kept.Count -ne $lines.Count) { [IO.File]::WriteAllLines($file, [string[]]$kept) }
}

# Takes the prefix off the user's PATH: the value's kind is kept, and nothing in it is expanded.
function Remove-FromPath {
    $key = [Microsoft.Win32.Registry]::CurrentUser.OpenSubKey('Environment', $true)
    if (-not $key) { return }
    try {
        $value = "$($key.GetValue('Path', '', [Microsoft.Win32.RegistryValueOptions]::DoNotExpandEnvironmentNames))"
        $ours = $State.Prefix, (Join-Path $State.Prefix 'Scripts')
        $kept = @($value -split ';' | Where-Object { -not $_ -or $_.Trim().Trim('"').TrimEnd('\') -notin $ours }) -join ';'
        if ($kept -ne $value) { $key.SetValue('Path', $kept, $key.GetValueKind('Path')) }
    } finally { $key.Close() }
}

function Uninstall-ImJoy {
    Find-Prefix
    if ($State.Standing -eq 'new') {
        if ((Get-LinkTarget $State.Prefix) -and -not $DryRun) { [IO.Directory]::Delete($State.Prefix) }
        Say "There is nothing to remove: no imjoy in $($State.Prefix)."
        return
    }
    if ($State.Problems.Count -gt 0) { Stop-Refused }
    $parts = Get-Parts 'miniconda'
    # A receipt that somebody changed must not lead out of the prefix.
    try { $parts = @((Get-Content -Raw -LiteralPath (Join-Path $State.Ours 'receipt.json') | ConvertFrom-Json).parts | Where-Object { $_ -eq (Split-Path -Leaf $_) -and $_ -notin '.', '..' }) } catch { Write-Debug "$_" }
    if ('conda-meta' -in $parts) { $parts = @($parts) + @(Get-Parts 'miniconda') }
    $there = @(Get-ChildItem -LiteralPath $State.Environment -Force | ForEach-Object { $_.Name })
    if ($DryRun -or -not $Yes) {
        Say "To be removed from $($State.Prefix): $(@($there | Where-Object { Test-Named $_ $parts }) -join ' ')"
        $left = @($there | Where-Object { -not (Test-Named $_ $parts) -and $_ -ne '.imjoy' })
        if ($left.Count -gt 0) { Say "Stays there: $($left -join ' ')" }
    }
    if ($DryRun) { return }
    if (-not (Confirm-Choice 'Remove all of it?' $false)) {
        Stop-Install 'uninstall.unconfirmed' $ExitCodes.Usage 'nothing was removed, because nobody said yes' 'install.ps1 -Uninstall -Yes'
    }
    $made = Get-ReceiptValue 'made_folder'
    if (-not $made) { $made = $State.Prefix }
    Enter-Lock
    $python = Get-Python $State.Environment
    if (Test-Path -LiteralPath $python) { Get-Output $python @('-I', '-m', 'imjoy', 'stop', '--prefix', $State.Prefix) | Out-Null }
    Remove-FromPath
    Remove-Parts $State.Environment @($parts | Where-Object { $_ -ne '.imjoy' })
    $State.Locked = $false
    Remove-Parts $State.Environment @('.imjoy')
    Remove-FromCondaList
    Remove-MadeFolders $made
    Say "imjoy is gone from $($State.Prefix). Your workspace stays."
}

# What leaks into a Python from outside is set aside while the script runs, and put back.
function Invoke-Isolated([scriptblock]$Action) {
    $names = 'PYTHONPATH', 'PYTHONHOME', 'PYTHONSTARTUP', 'PYTHONUSERBASE', 'VIRTUAL_ENV', 'PIP_TARGET', 'PIP_PREFIX', 'PIP_ROOT', 'PIP_REQUIRE_VIRTUALENV', 'PIP_NO_DEPS', 'PIP_DRY_RUN', 'PIP_QUIET'
    $set = @{ PYTHONNOUSERSITE = '1'; PIP_USER = '0'; PIP_NO_INPUT = '1'; PIP_DISABLE_PIP_VERSION_CHECK = '1'; PIP_PROGRESS_BAR = 'off'; GIT_TERMINAL_PROMPT = '0' }
    $before = @{}
    foreach ($name in $names + @($set.Keys) + 'TEMP', 'TMP') { $before[$name] = [Environment]::GetEnvironmentVariable($name) }
    foreach ($name in $names) { [Environment]::SetEnvironmentVariable($name, $null) }
    foreach ($name in @($set.Keys)) { [Environment]::SetEnvironmentVariable($name, $set[$name]) }
    try { & $Action } finally {
        foreach ($name in @($before.Keys)) { [Environment]::SetEnvironmentVariable($name, $before[$name]) }
    }
}

function Invoke-Install {
    $watch = [Diagnostics.Stopwatch]::StartNew()
    Find-Machine
    Find-Prefix
    if ($State.Standing -in 'new', 'unfinished', 'installed', 'interrupted') { Find-Distribution }
    else { Use-ThisPython 'the prefix cannot be used' }
    Test-Disk
    Find-Source
    Set-Plan
    Add-Time 'looking at the machine' $watch
    if ($State.Action -eq 'refuse') { Stop-Refused }
    Stop-WhenLocked
    if ($DryRun) { Write-Plan; return }
    if ($State.Action -eq 'none') {
        Complete-Install
    } else {
        Get-PlanText | ForEach-Object { Say $_ }
        Say ''
        Install-ImJoy
    }
    Write-Times
}

function Invoke-Main {
    $ErrorActionPreference = 'Stop'
    $ProgressPreference = 'SilentlyContinue'
    [Net.ServicePointManager]::SecurityProtocol = [Net.ServicePointManager]::SecurityProtocol -bor [Net.SecurityProtocolType]::Tls12
    # What is found and decided; the functions that are called from here share it.
    $State = @{
        Wish = 'auto'; Problems = New-Object Collections.ArrayList; Notices = New-Object Collections.ArrayList; Times = New-Object Collections.ArrayList
        Prefix = ''; Environment = ''; Ours = ''; Lock = ''; Standing = ''; Action = ''; Distribution = ''; Why = ''; Url = ''; Table = $null
        Conda = ''; CondaVersion = ''; Python = ''; PythonVersion = ''; Source = $null; Followed = ''; Unreachable = ''; MadeFolder = ''
        Build = 0; RemoteBytes = 0; Locked = $false; Undo = $false; Log = ''; LogFolder = [IO.Path]::GetTempPath(); Told = $false
    }
    if ($Distribution) { $State.Wish = $Distribution }
    $code = $ExitCodes.Interrupted
    try {
        if ($Help) { Write-Help }
        elseif ($Version) { Write-Output "imjoy $ImJoyVersion" }
        else {
            Test-Options
            if ($Uninstall) { Invoke-Isolated { Uninstall-ImJoy } } else { Invoke-Isolated { Invoke-Install } }
        }
        $code = $ExitCodes.Done
    } catch {
        $failure = $_.Exception
        $known = $failure.Data.Contains('Code')
        $code = $ExitCodes.OurBug
        if ($known) { $code = $failure.Data['Code'] }
        if (-not $State.Told) { Write-Failure $failure $known $code }
    } finally {
        # Ctrl-C comes here too, and only here.
        $kept = ''
        if ($code -ne $ExitCodes.Done) { $kept = Undo-Install } else { Exit-Lock }
        if ($code -eq $ExitCodes.Interrupted) {
            $global:LASTEXITCODE = $code
            if (-not $State.Undo -and $State.Ours -and (Test-Path -LiteralPath (Join-Path $State.Ours 'incomplete'))) {
                Warn "interrupted; run this again to finish $($State.Prefix)"
            } else {
                Warn 'interrupted; nothing was left behind'
            }
        }
        if ($kept) { [Console]::Error.WriteLine("log: $kept") }
    }
    if ($code -eq $ExitCodes.Done -and $Start -and -not ($DryRun -or $Uninstall -or $Help -or $Version)) {
        & (Get-Python $State.Environment) -I -m imjoy start --serve --open --prefix $State.Prefix @StartArguments
        $code = $LASTEXITCODE
    }
    # Under iex there is no file, and leaving would close the window of whoever typed the line.
    if ($PSCommandPath) { exit $code }
    $global:LASTEXITCODE = $code
}

function Write-Failure($Failure, [bool]$Known, [int]$Code) {
    $what = $Failure.Message
    $fix = "$($Failure.Data['Fix'])"
    $id = "$($Failure.Data['Id'])"
    if (-not $Known) {
        $id = 'bug'
        $what = "install.ps1 ended where it should not; that is a bug of ours: $what"
        $fix = "report it: $ProjectUrl/issues"
    }
    [Console]::Error.WriteLine("error: $what")
    if ($fix) { [Console]::Error.WriteLine("  $fix") }
    if ($Json) {
        $told = [ordered]@{ id = $id; what = $what; why = ''; fix = $fix; exit_code = $Code }
        Write-Output ([ordered]@{ schema = 1; kind = 'failure'; error = $told } | ConvertTo-Json -Compress)
    }
}

Invoke-Main
