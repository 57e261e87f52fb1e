"""The services of the domain, as the face is given them."""

from dataclasses import dataclass

from domain.audit import Auditing
from domain.businesses.businesses import Businesses
from domain.customers.customers import Customers, Erasure
from domain.customers.purchases import Purchases
from domain.imports.imports import PurchaseImports
from domain.reports.document import ReportFiles
from domain.reports.reporting import Reporting
from domain.reports.transitions import Movements
from domain.segments.analysis import Analysis
from domain.segments.history import Snapshots
from domain.segments.member_export import MemberFiles
from domain.segments.memberships import Memberships
from domain.segments.recalculation import Recalculations
from domain.segments.segments import Segments


@dataclass(frozen=True, slots=True)
class Services:
    """The services of the domain, made once a process."""

    businesses: Businesses
    customers: Customers
    purchases: Purchases
    reporting: Reporting
    segments: Segments
    memberships: Memberships
    recalculations: Recalculations
    analysis: Analysis
    auditing: Auditing
    snapshots: Snapshots
    erasure: Erasure
    report_files: ReportFiles
    member_files: MemberFiles
    movements: Movements
    imports: PurchaseImports
